"""The steps of an Accelerator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from accelerate import Accelerator

from upsize.accelerate._grown import known_samples
from upsize.accelerate._loaders import completes_last, prepared_in
from upsize.run import BatchCounter, Position
from upsize.run._batches import length_of
from upsize.run._epoch_samples import plan_samples
from upsize.schedule._run import run_length

__all__ = ["AcceleratorCounter", "counter_of"]


class AcceleratorCounter(BatchCounter):
    """Counts a step for each batch after which the accelerator syncs gradients.

    Args:
        accelerator: The accelerator of the run.
        total_steps: Length of the run in optimizer steps.
        batches: Batches in an epoch; ``None``: not known, or accumulation windows
            cross epochs.
        by_epochs: Whether each pass over the loader is one epoch of the run.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        total_steps: int,
        batches: int | None,
        *,
        by_epochs: bool = False,
    ) -> None:
        accumulate = accelerator.gradient_accumulation_steps
        super().__init__(total_steps, accumulate, batches, by_epochs=by_epochs)
        self._accelerator = accelerator
        self._window_now = 0

    def draw_from(self, prepared: Any) -> None:
        """Note the loader of the next pass.

        Args:
            prepared: A prepared loader; ``None``: it is not prepared, and the
                accelerator does not see its end.
        """
        syncs = self._accelerator.gradient_state.sync_with_dataloader
        self.windows = replace(
            self.windows,
            ends_with_pass=syncs and prepared is not None,
            keeps_last=completes_last(prepared),
        )

    def cure(self, batches: int) -> str:
        """Return what to give for accumulation windows of some batches."""
        return (
            f"give Accelerator gradient_accumulation_steps={batches}, and train within "
            "accelerator.accumulate(model)"
        )

    def next(self) -> Position:
        """Return the position after the current batch, as the accelerator counts it."""
        now = self.position
        step = now.step + self._accelerator.sync_gradients
        batch = now.batch + self.taken
        if batch == self.batches:
            return Position(step, epoch_step=step)
        return Position(step, batch, epoch_step=now.epoch_step)

    def take(self, batches: int = 1) -> None:
        """Note that the loop has drawn a batch, and the window that it is drawn in."""
        super().take(batches)
        self._window_now = self._accelerator.step % self.accumulate

    def ends_window(self, in_pass: int | None = None) -> bool:
        """Return whether the accelerator syncs gradients after the current batch."""
        position = self.position._replace(window=self._window_now)
        return self.windows.left(position, self.beyond, in_pass) <= self.taken

    def upcoming(self) -> Position:
        """Return the position of the next batch in the accelerator's own window."""
        window = self._accelerator.step % self.accumulate
        return super().upcoming()._replace(window=window)


def counter_of(
    accelerator: Accelerator,
    loader: Any,
    epochs: int | None,
    total_steps: int | None,
) -> AcceleratorCounter:
    """Return a counter for a run of the length that the user gave.

    Args:
        accelerator: The accelerator of the run.
        loader: The training loader.
        epochs: Length of the run in epochs of the loader; ``None``: in steps.
        total_steps: Length of the run in optimizer steps.

    Raises:
        ValueError: When the length is missing or contradicts itself.
    """
    accumulate = accelerator.gradient_accumulation_steps
    prepared = prepared_in(loader)
    # Of another iterable it may be the length of all processes.
    batches = None if prepared is None else length_of(prepared)
    if batches is None and total_steps is None:
        what = "the loader has no length"
        if prepared is None:
            what = f"the length of a {type(loader).__name__} may not be of one process"
        raise ValueError(
            f"{what}: give total_steps, the optimizer steps of the whole run"
        )
    if accelerator.gradient_state.sync_with_dataloader:
        windows = None if batches is None else -(-batches // accumulate)
        steps = run_length(epochs, windows, total_steps).total_steps
        counter = AcceleratorCounter(
            accelerator, steps, batches, by_epochs=epochs is not None
        )
        samples, batch = known_samples(prepared, batches, accelerator.num_processes)
        counter.length = plan_samples(
            samples, batch, steps=windows, accumulate=accumulate
        )
        return counter
    # Accumulation windows continue across epochs: count all batches as one epoch.
    if total_steps is None or epochs is not None:
        total_steps = run_length(epochs, batches, total_steps).total_steps // accumulate
    return AcceleratorCounter(accelerator, total_steps, None)
