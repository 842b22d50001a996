"""The loop's ProgressiveResize, on the clock of an Accelerator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.data_loader import DataLoaderStateMixin
from torch import nn

from upsize.follow import Applier
from upsize.loop import ProgressiveResize as _LoopResize
from upsize.resize import Resizer
from upsize.run._compiled import warn_of_recompiles
from upsize.run._position import Clock
from upsize.schedule import Linear, MultiScale, Phases, Ramp, Size
from upsize.schedule._run import run_length

__all__ = ["ProgressiveResize", "check_prepared"]

_FILE = "upsize.json"
_FLAG = "_upsize_progressive_resize"


class ProgressiveResize(_LoopResize):
    """Resize each batch of a prepared loader to the size that its step needs.

    The clock follows ``accelerator.sync_gradients``, so one size holds through an
    accumulation window; it goes into the checkpoints of ``accelerator.save_state`` and
    out of them again. Every process computes the same sizes by itself.

    Args:
        schedule: What grows and when, with its ``final_size`` or with the one below.
        accelerator: The accelerator of the run.
        loader: The training loader as ``accelerator.prepare`` gave it: its length is
            that of one process.
        epochs: Length of the run in epochs of ``loader``.
        total_steps: Length of the run in optimizer steps, instead of ``epochs``; for
            loaders without a length.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it.
        resizer: How to find and resize the images of a batch.
        log: Name under which ``accelerator.log`` gets the longer side in pixels on
            every change; ``None``: not at all.
        verbose: Whether the main process prints the plan's summary.
        follow: Regularisation that follows the size, put back with the last step and by
            :meth:`remove`.

    Raises:
        ValueError: When the loader is not prepared, the length or the full size is
            missing or contradicts itself, or the accelerator has a ProgressiveResize
            already.

    Warns:
        UserWarning: When a prepared model is compiled and the plan has more sizes than
            the compiler's recompile limit.

    Example:
        >>> import torch
        >>> from accelerate import Accelerator
        >>> from upsize.schedule import Ramp
        >>> accelerator = Accelerator(cpu=True)
        >>> images = torch.rand(20, 3, 64, 64)
        >>> loader = accelerator.prepare(torch.utils.data.DataLoader(images, 4))
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=16), accelerator, loader=loader,
        ...     epochs=4, verbose=False,
        ... )
        >>> for epoch in range(4):
        ...     print(epoch, [batch.shape[-1] for batch in resize.batches(loader)])
        0 [32, 32, 32, 32, 32]
        1 [32, 32, 32, 32, 32]
        2 [48, 48, 48, 48, 48]
        3 [64, 64, 64, 64, 64]
        >>> resize.remove()
    """

    def __init__(
        self,
        schedule: Ramp | Linear | Phases | MultiScale,
        accelerator: Accelerator,
        *,
        loader: Iterable[Any],
        epochs: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
        resizer: Resizer | None = None,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: Applier | None = None,
    ) -> None:
        check_prepared(loader)
        if hasattr(accelerator, _FLAG):
            raise ValueError(
                "this accelerator has a ProgressiveResize already, and both would write "
                "their state to one file: call remove() of the first one"
            )
        length = _length(loader)
        if length is None and total_steps is None:
            raise ValueError(
                "the loader has no length: give total_steps, the optimizer steps of the "
                "whole run"
            )
        accumulate = accelerator.gradient_accumulation_steps
        if accelerator.gradient_state.sync_with_dataloader:
            # A window ends with the epoch: the loop's own arithmetic.
            super().__init__(
                schedule,
                epochs=epochs,
                steps_per_epoch=length,
                total_steps=total_steps,
                final_size=final_size,
                accumulate=accumulate,
                resizer=resizer,
                follow=follow,
            )
        else:
            # Windows run on across epochs: count batches as if they were one epoch.
            if total_steps is None or epochs is not None:
                batches = run_length(epochs, length, total_steps).total_steps
                total_steps = batches // accumulate
            super().__init__(
                schedule,
                total_steps=total_steps,
                final_size=final_size,
                accumulate=accumulate,
                resizer=resizer,
                follow=follow,
            )
        self._accelerator = accelerator
        self._log = log
        self._reported: Size | None = None
        warn_of_recompiles(accelerator._models, self.plan, stacklevel=3)
        self._handles = [
            accelerator.register_save_state_pre_hook(self._save),
            accelerator.register_load_state_pre_hook(self._load),
        ]
        setattr(accelerator, _FLAG, self)
        if verbose:
            accelerator.print(self.plan.summary())

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of an epoch, resized, and count the optimizer steps.

        Args:
            loader: The prepared loader, or what ``accelerator.skip_first_batches``
                leaves of it in an epoch that is resumed.

        Yields:
            Each batch at its step's size. Save the state after the optimizer step.

        Raises:
            ValueError: When the loader is not prepared, or images are too small.
        """
        check_prepared(loader)
        for batch in super().batches(loader):
            self._report()
            yield batch

    def preallocate(
        self,
        model: nn.Module,
        batch: Any,
        *,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        """Run a batch forward and backward at full size, and leave no trace of it.

        As :meth:`upsize.loop.ProgressiveResize.preallocate`, under the accelerator's
        autocast.
        """
        with self._accelerator.autocast():
            super().preallocate(model, batch, forward=forward)

    def check_finished(self) -> None:
        """Warn when training has ended before full size; call it after the last epoch.

        Warns:
            UserWarning: When the last step trained at a smaller size, unless the plan
                ends with random sizes and full size is one of them.
        """
        last = self.plan.size_at(max(0, self.optimizer_steps - 1))
        ends = self.plan.stages[-1].sizes
        if last not in ends or self.plan.final_size not in ends:
            warnings.warn(
                f"training ended after {self.optimizer_steps} of "
                f"{self.plan.total_steps} steps at {last}, not at the full size "
                f"{self.plan.final_size}",
                UserWarning,
                stacklevel=2,
            )

    def remove(self) -> None:
        """Take the hooks off the accelerator; its checkpoints no longer hold a state.

        What follows the size is put back.
        """
        if self._follow is not None:
            self._follow.restore()
        for handle in self._handles:
            handle.remove()
        if hasattr(self._accelerator, _FLAG):
            delattr(self._accelerator, _FLAG)

    def _advanced(self) -> Clock:
        """Return the clock after one batch more, as the accelerator counted it."""
        step, batch, _ = self._clock
        at_end = batch + 1 == self._batches_per_epoch
        return Clock(
            step + self._accelerator.sync_gradients, 0 if at_end else batch + 1
        )

    def _next_clock(self) -> Clock:
        """Return the clock of the next batch, with the accelerator's own window."""
        window = self._accelerator.step % self._accumulate
        return super()._next_clock()._replace(window=window)

    def _report(self) -> None:
        """Log the size when it has changed."""
        size = self.size
        if size != self._reported:
            self._reported = size
            if self._log is not None:
                self._accelerator.log({self._log: max(size)}, step=self.optimizer_steps)

    def _save(self, models: Any, weights: Any, output_dir: str) -> None:  # noqa: ARG002
        # Not the other processes: test_two_processes.py sees both sides.
        if self._accelerator.is_main_process:  # pragma: no branch
            text = json.dumps(self.state_dict())
            Path(output_dir, _FILE).write_text(text, "utf-8")

    def _load(self, models: Any, input_dir: str) -> None:  # noqa: ARG002
        path = Path(input_dir, _FILE)
        if not path.exists():
            warnings.warn(
                f"{input_dir} holds no state of upsize, as a checkpoint from before it "
                f"was used: sizes go on from step {self.optimizer_steps}; call "
                "fast_forward(optimizer_steps) to go on from another",
                UserWarning,
                stacklevel=3,
            )
            return
        try:
            self.load_state_dict(json.loads(path.read_text("utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def fast_forward(self, optimizer_steps: int) -> None:
        """Set the clock, for a checkpoint that holds no state of upsize.

        Args:
            optimizer_steps: Optimizer steps that are done, at least 0.

        Raises:
            ValueError: When it is negative.
        """
        if optimizer_steps < 0:
            raise ValueError(
                f"optimizer_steps must be at least 0, not {optimizer_steps}"
            )
        self._in_hand = False
        self._clock = Clock(optimizer_steps)


def _length(loader: Iterable[Any]) -> int | None:
    try:
        return len(loader)  # type: ignore[arg-type]
    except TypeError:  # an iterable dataset
        return None


def check_prepared(loader: Any) -> None:
    """Refuse a loader that ``accelerator.prepare`` has not seen."""
    if not isinstance(loader, DataLoaderStateMixin):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            f"the loader is a {type(loader).__name__} that accelerator.prepare has not "
            "seen: call accelerator.prepare(loader) first and give its result, which "
            "has the length of one process"
        )
