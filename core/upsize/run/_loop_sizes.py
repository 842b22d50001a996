"""What the loaders of a loop ask of its run."""

from __future__ import annotations

from collections.abc import Iterator

from upsize.run._batch_steps import BatchSteps
from upsize.run._counter import BatchCounter
from upsize.run._grown_counter import batches_of
from upsize.run._merging import Merging
from upsize.run._position import Position
from upsize.run._training_run import TrainingRun
from upsize.schedule import Plan, Size

__all__ = ["LoopSizes"]


class LoopSizes:
    """The size source of a loop's loaders, which may live longer than the loop.

    Args:
        run: The training run, with a plan.
        counter: Counts its batches.
    """

    def __init__(self, run: TrainingRun, counter: BatchCounter) -> None:
        self._run, self._counter = run, counter
        #: Whether a loader draws the batches of the plan: where they grow, if it has
        #: asked for them.
        self.is_drawn = self.grown_plan is None

    def current_run(self) -> TrainingRun:
        """Return the run."""
        return self._run

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        assert self._run.plan is not None  # a loop begins with one
        return self._run.plan

    @property
    def final_size(self) -> Size:
        """The full size."""
        return self.plan.final_size

    @property
    def merging(self) -> Merging | None:
        """Which batches are merged; ``None``: none are."""
        return self._run.merging

    @property
    def grown_plan(self) -> Plan | None:
        """The plan, if its batches grow while images are small, else ``None``."""
        return None if self.plan.grow is None else self.plan

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Return the size of each batch to come, see :class:`SizesAhead`."""
        return self._run.ahead.sizes(batches)

    def windows_ahead(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Return size and accumulation window of each batch to come."""
        return self._run.ahead.windows(batches)

    def batches_ahead(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Return size and images of each batch to come."""
        self.is_drawn = True
        return self._run.ahead.batches(batches)

    def batches_of(self, samples: int) -> int:
        """Return the batches of the next pass over a loader, in a plan that grows.

        Args:
            samples: Samples that the loader draws: those of an epoch, or of its rest.

        Raises:
            ValueError: When it is neither.
        """
        return batches_of(self._counter, self.plan, samples)

    def draw_rest(self) -> None:
        """Note that the loader draws the rest of a resumed epoch, and the loop skips none.

        Without it, a loader as long as an epoch is taken to draw all of it again.
        """
        self._counter.draw_rest()

    def expect(self, *, from_now: bool) -> BatchSteps:
        """Take batches at the size of their step from any loader from now on.

        Args:
            from_now: Whether batch 0 of the loader is the next batch of the run, and
                not its first one.

        Returns:
            The step of each batch, by its number.

        Raises:
            ValueError: When the batches of the plan grow.
        """
        if self.grown_plan is not None:
            raise ValueError(
                "size_stage numbers batches of one length, and those of this run grow: "
                "draw them by a sized loader, or train with a constant batch_size"
            )
        self._run.reader.expect_sizes()
        counter = self._counter
        start = counter.upcoming() if from_now else Position()
        return BatchSteps(counter.accumulate, counter.batches, start)
