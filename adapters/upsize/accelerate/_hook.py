"""A hook on the model, for training loops that cannot be edited."""

from __future__ import annotations

from typing import Any

import torch
from accelerate.hooks import (
    ModelHook,
    SequentialHook,
    add_hook_to_module,
    remove_hook_from_module,
)
from accelerate.optimizer import AcceleratedOptimizer
from torch import nn

from upsize.accelerate._loop import ProgressiveResize

__all__ = ["ResizeHook"]


class ResizeHook(ModelHook):
    """Resize the images in the arguments of a model's forward while it trains.

    Use it for loops that you cannot edit, with targets that need no resize. If you can
    edit the loop, use :meth:`ProgressiveResize.batches`, which has none of the limits
    below.

    Limits:
        - Targets outside ``forward`` stay at full size: a loss over the model's output
          and a mask raises a shape error, and boxes or keypoints are silently wrong.
          Labels that go through ``forward`` are fine.
        - The resize happens inside the model: ``torch.compile`` compiles it for every
          size.
        - ``accelerator.unwrap_model(model, keep_fp32_wrapper=False)`` under mixed
          precision restores the forward from before :meth:`Accelerator.prepare`, which
          may drop or break a hook: unwrap with the default, or call :meth:`remove`
          first.
        - Only calls of the module itself in training mode are resized: ``model(x)``,
          not ``model.backbone(x)``.

    Args:
        resize: Holds the plan and the position; the hook calls its ``step``, so do not
            use its ``batches`` as well.
        optimizer: The optimizer whose steps are counted, prepared or not.

    Raises:
        ValueError: When ``resize`` merges batches.

    Example:
        >>> import torch
        >>> from accelerate import Accelerator
        >>> from upsize.schedule import Ramp
        >>> accelerator = Accelerator(cpu=True)
        >>> model = torch.nn.Conv2d(3, 4, 1)
        >>> model, optimizer, loader = accelerator.prepare(
        ...     model, torch.optim.SGD(model.parameters()),
        ...     torch.utils.data.DataLoader(torch.rand(4, 3, 64, 64), 2),
        ... )
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=32), accelerator, loader=loader,
        ...     epochs=2, verbose=False,
        ... )
        >>> hook = ResizeHook(resize, optimizer)
        >>> _ = hook.attach(model)
        >>> for epoch in range(2):
        ...     for images in loader:
        ...         out = model(images)
        ...         out.sum().backward()
        ...         optimizer.step()
        ...         print(out.shape[-1], end=" ")
        32 32 64 64
        >>> hook.remove(model)
        >>> resize.remove()
    """

    def __init__(
        self,
        resize: ProgressiveResize,
        optimizer: torch.optim.Optimizer | AcceleratedOptimizer,
    ) -> None:
        if resize.size_source.merging is not None:
            raise ValueError(
                "merge= makes one batch of several, and this hook only sees those that "
                "the loop has drawn: use batches() of ProgressiveResize, or leave out "
                "merge="
            )
        self._resize = resize
        self._optimizer = getattr(optimizer, "optimizer", optimizer)
        self._counting: list[Any] = []
        self._stepping = False

    def attach(self, model: nn.Module) -> nn.Module:
        """Add the hook to a model, after the hooks that it has.

        Args:
            model: The module whose calls are resized, before or after ``prepare``.

        Returns:
            The same module.

        Raises:
            ValueError: When the hook is on a model already: steps would count twice.
        """
        if self._counting:
            raise ValueError("this hook is on a model already: remove it there first")
        module: nn.Module = add_hook_to_module(model, self, append=True)
        return module

    def remove(self, model: nn.Module) -> None:
        """Remove the hook from a model, and leave its other hooks unchanged.

        Raises:
            ValueError: When the model does not have it.
        """
        hook = getattr(model, "_hf_hook", None)
        if hook is self:
            remove_hook_from_module(model)
        elif not _drop(hook, self):
            raise ValueError("this hook is not on the model: it was removed already")
        else:
            self.detach_hook(model)

    def init_hook(self, module: nn.Module) -> nn.Module:
        """Begin to count the steps of the optimizer."""
        optimizer = self._optimizer
        self._counting = [
            optimizer.register_step_pre_hook(self._begin_step),
            optimizer.register_step_post_hook(self._end_step),
        ]
        return module

    def pre_forward(
        self, module: nn.Module, *args: Any, **kwargs: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Resize the arguments of a call in training mode."""
        if not module.training:
            return args, kwargs
        resized: tuple[tuple[Any, ...], dict[str, Any]] = self._resize((args, kwargs))
        return resized

    def detach_hook(self, module: nn.Module) -> nn.Module:
        """Stop counting."""
        for handle in self._counting:
            handle.remove()
        self._counting = []
        return module

    def _begin_step(self, *_: Any) -> None:
        self._stepping = True

    def _end_step(self, *_: Any) -> None:
        # torch calls it for the step of the class, and for that of a base which it calls.
        if self._stepping:
            self._stepping = False
            self._resize.step()


def _drop(hook: Any, mine: ModelHook) -> bool:
    """Remove ``mine`` from a chain of hooks; return whether it was there."""
    if not isinstance(hook, SequentialHook):
        return False
    kept = tuple(each for each in hook.hooks if each is not mine)
    found = len(kept) < len(hook.hooks) or any(_drop(each, mine) for each in kept)
    hook.hooks = kept
    return found
