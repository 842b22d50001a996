"""The training run of a loop with an Accelerator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.data_loader import DataLoaderStateMixin
from torch import nn

from upsize.accelerate._counter import AcceleratorCounter
from upsize.resize import Resizer
from upsize.run import Options, Position
from upsize.run._loop_run import LoopRun
from upsize.run._options import RESIZER, SizeFollower
from upsize.schedule import Schedule
from upsize.schedule._run import run_length
from upsize.schedule._warn import warn

__all__ = ["ProgressiveResize", "check_prepared"]

_FILE = "upsize.json"
_FLAG = "_upsize_progressive_resize"


class ProgressiveResize(LoopRun):
    """Resize each batch of a prepared loader to the size of its step.

    The run follows ``accelerator.sync_gradients``, so one size holds through an
    accumulation window. ``accelerator.save_state`` saves its state, and ``load_state``
    restores it. Every process computes the same sizes by itself.

    Args:
        schedule: What grows and when.
        accelerator: The accelerator of the run.
        loader: The training loader that ``accelerator.prepare`` returns: its length is
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
        follow: Regularization that follows the size; restored after the last step and
            by :meth:`remove`.

    Raises:
        TypeError: When ``schedule`` is not a schedule.
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
        schedule: Schedule,
        accelerator: Accelerator,
        *,
        loader: Iterable[Any],
        epochs: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
        resizer: Resizer = RESIZER,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: SizeFollower | None = None,
    ) -> None:
        check_prepared(loader)
        if hasattr(accelerator, _FLAG):
            raise ValueError(
                "this accelerator has a ProgressiveResize already, and both would save "
                "their state to one file: call remove() on the first one"
            )
        super().__init__(
            Options(
                schedule, final_size, resizer, log=log, verbose=verbose, follow=follow
            ),
            _counter(accelerator, loader, epochs, total_steps),
            models=accelerator._models,
            say=lambda plan: accelerator.print(plan.summary()),
            report=self._log,
        )
        self._accelerator = accelerator
        self._handles = [
            accelerator.register_save_state_pre_hook(self._save),
            accelerator.register_load_state_pre_hook(self._load),
        ]
        setattr(accelerator, _FLAG, self)

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of an epoch, resized, and count the optimizer steps.

        Args:
            loader: The prepared loader, or in a resumed epoch what
                ``accelerator.skip_first_batches`` returns.

        Yields:
            Each batch at the size of its step. Save the state after the optimizer step.

        Raises:
            ValueError: When the loader is not prepared, or images are too small.
        """
        check_prepared(loader)
        return super().batches(loader)

    def preallocate(
        self,
        model: nn.Module,
        batch: Any,
        *,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        """Run a batch forward and backward at full size, and leave no trace of it.

        See :meth:`upsize.loop.ProgressiveResize.preallocate`. It runs under the
        accelerator's autocast.
        """
        with self._accelerator.autocast():
            super().preallocate(model, batch, forward=forward)

    def remove(self) -> None:
        """Remove the hooks from the accelerator: checkpoints no longer hold a state.

        Values that follow the size are restored.
        """
        self._run.finish(completed=False)
        for handle in self._handles:
            handle.remove()
        if hasattr(self._accelerator, _FLAG):
            delattr(self._accelerator, _FLAG)

    def fast_forward(self, optimizer_steps: int) -> None:
        """Set how many steps are done, after a checkpoint without a state of upsize.

        Args:
            optimizer_steps: Optimizer steps that are done, at least 0.

        Raises:
            ValueError: When it is negative.
        """
        if optimizer_steps < 0:
            raise ValueError(
                f"optimizer_steps must be at least 0, not {optimizer_steps}"
            )
        self._counter.load(Position(optimizer_steps, epoch_step=optimizer_steps))

    def _log(self, name: str, pixels: int, step: int) -> None:
        self._accelerator.log({name: pixels}, step=step)

    def _save(self, models: Any, weights: Any, output_dir: str) -> None:  # noqa: ARG002
        accelerator = self._accelerator
        # As Accelerate decides about its own files.
        each_node = accelerator.project_configuration.save_on_each_node
        writes = (
            accelerator.is_local_main_process
            if each_node
            else accelerator.is_main_process
        )
        # Not the other processes: test_two_processes.py sees both sides.
        if writes:  # pragma: no branch
            text = json.dumps(self.state_dict())
            Path(output_dir, _FILE).write_text(text, "utf-8")

    def _load(self, models: Any, input_dir: str) -> None:  # noqa: ARG002
        path = Path(input_dir, _FILE)
        # Also where there is none: the other processes may have found theirs, and wait.
        self._run.expect_agreement()
        if not path.exists():
            warn(
                f"{input_dir} holds no state of upsize; perhaps it was saved without "
                f"it. Sizes continue from step {self.optimizer_steps}; call "
                "fast_forward(optimizer_steps) to continue from another step"
            )
            return
        try:
            self.load_state_dict(json.loads(path.read_text("utf-8")))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error


def check_prepared(loader: Any) -> None:
    """Refuse a loader that ``accelerator.prepare`` did not return."""
    if not isinstance(loader, DataLoaderStateMixin):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            f"the loader is a {type(loader).__name__} that accelerator.prepare has not "
            "seen: call accelerator.prepare(loader) first and give its result, which "
            "has the length of one process"
        )


def _counter(
    accelerator: Accelerator,
    loader: Any,
    epochs: int | None,
    total_steps: int | None,
) -> AcceleratorCounter:
    """Return a counter for a run of the length that the user gave."""
    accumulate = accelerator.gradient_accumulation_steps
    try:
        batches = len(loader)
    except TypeError:  # an iterable dataset
        batches = None
    if batches is None and total_steps is None:
        raise ValueError(
            "the loader has no length: give total_steps, the optimizer steps of the "
            "whole run"
        )
    if accelerator.gradient_state.sync_with_dataloader:
        windows = None if batches is None else -(-batches // accumulate)
        steps = run_length(epochs, windows, total_steps).total_steps
        return AcceleratorCounter(accelerator, steps, batches)
    # Accumulation windows continue across epochs: count all batches as one epoch.
    if total_steps is None or epochs is not None:
        total_steps = run_length(epochs, batches, total_steps).total_steps // accumulate
    return AcceleratorCounter(accelerator, total_steps, None)
