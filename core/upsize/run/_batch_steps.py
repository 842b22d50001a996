"""The step of each batch of a run, for what numbers its batches by itself."""

from __future__ import annotations

from dataclasses import dataclass

from upsize.run._position import Position
from upsize.schedule._run import check_step

__all__ = ["BatchSteps"]

_START = Position()


@dataclass(frozen=True)
class BatchSteps:
    """Tells the step that takes a batch, by the number of the batch.

    Args:
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch; ``None``: not known.
        start: Position in the run of batch 0.

    Example:
        >>> steps = BatchSteps(accumulate=2, batches=5)
        >>> [steps.step_of(batch) for batch in range(8)]
        [0, 0, 1, 1, 2, 3, 3, 4]
        >>> steps.step_of(0, epoch=1)
        3
    """

    accumulate: int = 1
    batches: int | None = None
    start: Position = _START

    def step_of(self, batch: int, epoch: int = 0) -> int:
        """Return the step that takes a batch.

        Args:
            batch: Number of the batch, from 0.
            epoch: Number of the epoch that it is counted from, from 0.

        Raises:
            TypeError: When a number is not an integer.
            ValueError: When a number is negative, or ``epoch`` is above 0 and the
                batches in an epoch are not known.
        """
        number = check_step(batch, "batch")
        if check_step(epoch, "epoch"):
            if self.batches is None:
                raise ValueError(
                    f"epoch={epoch} counts epochs, and their length is not known: give "
                    "steps_per_epoch to ProgressiveResize or to plan(), or number the "
                    "batches through all epochs"
                )
            number += epoch * self.batches
        step, done, window, _ = self.start
        if self.batches is None:
            return step + (window + number) // self.accumulate
        left = self.batches - done
        if number < left:
            return step + (window + number) // self.accumulate
        # An accumulation window ends with its epoch.
        epochs, within = divmod(number - left, self.batches)
        step += -(-(window + left) // self.accumulate)
        per_epoch = -(-self.batches // self.accumulate)
        return step + epochs * per_epoch + within // self.accumulate
