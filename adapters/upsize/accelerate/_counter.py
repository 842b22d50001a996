"""The steps of an Accelerator."""

from __future__ import annotations

from accelerate import Accelerator

from upsize.run import BatchCounter, Position

__all__ = ["AcceleratorCounter"]


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

    def cure(self, batches: int) -> str:
        """Return what to give for accumulation windows of some batches."""
        return (
            f"give Accelerator gradient_accumulation_steps={batches}, and train within "
            "accelerator.accumulate(model)"
        )

    def next(self) -> Position:
        """Return the position after the current batch, as the accelerator counts it."""
        step = self.position.step + self._accelerator.sync_gradients
        batch = self.position.batch + 1
        if batch == self.batches:
            return Position(step, epoch_step=step)
        return Position(step, batch, epoch_step=self.position.epoch_step)

    def upcoming(self) -> Position:
        """Return the position of the next batch in the accelerator's own window."""
        window = self._accelerator.step % self.accumulate
        return super().upcoming()._replace(window=window)
