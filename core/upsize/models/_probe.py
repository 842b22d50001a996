"""Run one batch through a model at one size, and leave no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from upsize.resize import Resizer
from upsize.resize._containers import leaves
from upsize.resize._containers import replace as replace_leaves
from upsize.run._dry_run import dry_run, restoring_model
from upsize.schedule import Plan, Size

__all__ = [
    "Forward",
    "Probe",
    "check_plan",
    "device_of",
    "eager",
    "on_meta",
    "to_device",
    "uncompiled",
    "with_images",
]

Forward: TypeAlias = Callable[[nn.Module, Any], Any]


def check_plan(plan: Any) -> Plan:
    """Return ``plan``, or say how to make one.

    Raises:
        TypeError: When it is not a plan.
    """
    if not isinstance(plan, Plan):
        raise TypeError(
            f"plan must be a Plan, not a {type(plan).__name__}: make one with "
            "schedule.plan(epochs=..., steps_per_epoch=...), or take .plan of a "
            "ProgressiveResize"
        )
    return plan


def device_of(model: nn.Module) -> torch.device | None:
    """Return the device of the first parameter or buffer, ``None`` without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return None


def to_device(batch: Any, device: torch.device | None) -> Any:
    """Return the batch with every tensor on ``device``; itself when nothing moves."""
    moved = {
        path: leaf.to(device)
        for path, leaf in leaves(batch)
        if isinstance(leaf, Tensor) and device is not None and leaf.device != device
    }
    return replace_leaves(batch, moved) if moved else batch


def with_images(batch: Any, images: int, resizer: Resizer) -> Any:
    """Return the batch with another number of images, repeated or cut from it.

    Args:
        batch: Every tensor in it that is as long as the images are many is repeated.
        images: How many images it gets.
        resizer: How to find them.

    Raises:
        ValueError: When the images are not one tensor.
    """
    first = resizer.read(batch).first
    if first.ndim < 4:
        raise ValueError(
            "the images of a batch must be one tensor (images, channels, height, width), "
            f"to be repeated, not images of shape {tuple(first.shape)}"
        )
    changed = {}
    for path, leaf in leaves(batch):
        if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == len(first):
            chosen = torch.arange(images, device=leaf.device) % len(first)
            changed[path] = leaf[chosen]
    return replace_leaves(batch, changed)


def on_meta(model: nn.Module) -> nn.Module:
    """Copy a model to the meta device; its weights are never copied."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                empty = nn.Parameter(parameter.detach().to("meta"))
                memo[id(parameter)] = empty.requires_grad_(parameter.requires_grad)
        attributes = (*module._buffers.values(), *vars(module).values())
        for value in attributes:
            if isinstance(value, Tensor):
                memo[id(value)] = value.detach().to("meta")
    return copy.deepcopy(model, memo)


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the model inside torch.compile and DistributedDataParallel."""
    inner: Any = model
    while hasattr(inner, "_orig_mod") or isinstance(inner, DistributedDataParallel):
        inner = inner._orig_mod if hasattr(inner, "_orig_mod") else inner.module
    bare: nn.Module = inner
    return bare


def eager() -> AbstractContextManager[Any]:
    """Run compiled parts uncompiled: compiling each size takes long."""
    context: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return context


@dataclass(frozen=True)
class Probe:
    """A model, a batch and how to call the model with it."""

    model: nn.Module
    batch: Any
    forward: Forward | None
    resizer: Resizer
    backward: bool

    @classmethod
    def make(
        cls,
        model: nn.Module,
        sample: Any,
        forward: Forward | None,
        resizer: Resizer | None,
        backward: bool,
    ) -> Probe:
        """Check the arguments, and move the batch to the model's device.

        Raises:
            TypeError: When ``model`` is not a module.
            ValueError: When a parameter is not initialised, or the sample has no image.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a Module, not a {type(model).__name__}")
        if isinstance(model, DistributedDataParallel):
            # Its own forward prepares for a backward that a probe never runs.
            model = model.module
        if any(map(nn.parameter.is_lazy, model.parameters())):
            raise ValueError(
                "the model has lazy parameters, which a trial would initialise: run "
                "one batch through it first"
            )
        resizer = Resizer() if resizer is None else resizer
        _ = resizer.read(sample).size  # refuses listed images of several sizes, too
        batch = to_device(sample, device_of(model))
        return cls(model, batch, forward, resizer, backward)

    def on_meta(self) -> Probe:
        """Return the same on the meta device, with a copy of the model."""
        model = on_meta(self.model)
        batch = to_device(self.batch, torch.device("meta"))
        return replace(self, model=model, batch=batch)

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.resizer.read(self.batch).first.device

    def batch_at(self, size: Size, images: int | None = None) -> Any:
        """Return the batch with its images at ``size``.

        Args:
            size: Size of the images.
            images: How many, repeated or cut from the batch; ``None``: as many as it has.
        """
        batch = self.resizer(self.batch, size)
        return batch if images is None else with_images(batch, images, self.resizer)

    def run(self, batch: Any, size: Size) -> None:
        """Run the batch forward, and backward if asked to."""

        def forward() -> Any:
            if self.forward is None:
                return self.model(self.resizer.read(batch).first)
            return self.forward(self.model, batch)

        if self.backward:
            if not dry_run(self.model, forward, size) and self.forward is not None:
                raise ValueError(
                    "forward must return the loss, or an output of the model with a "
                    "gradient: what it returns has none to run backward; to run only "
                    "forward, give backward=False"
                )
        else:
            with restoring_model(self.model), torch.no_grad():
                forward()

    def failure(self, size: Size) -> Exception | None:
        """Return the model's error at ``size``, ``None`` when it works."""
        return self.attempt(self.batch_at(size), size)

    def attempt(self, batch: Any, size: Size) -> Exception | None:
        """Run a batch at ``size``; return the error, ``None`` when it works."""
        try:
            self.run(batch, size)
        except Exception as error:
            # The frames hold the activations, which fill the memory.
            return error.with_traceback(None)
        return None
