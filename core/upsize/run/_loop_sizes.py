"""The run of a loop, as loaders ask for the sizes of their batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upsize.resize import Resizer
from upsize.run._batch_steps import BatchSteps
from upsize.run._counter import BatchCounter
from upsize.run._grown_counter import batches_of
from upsize.run._loop_pass import LoopPasses
from upsize.run._merge import Merging
from upsize.run._options import Options
from upsize.run._position import Position
from upsize.run._training_run import TrainingRun
from upsize.schedule import Plan, Size

__all__ = ["LoopSizes"]


class LoopSizes:
    """The plan of a loop, and what its loaders draw.

    Args:
        options: What the user asks for, with a full size.
        counter: Counts the batches.
        settings: More arguments of :class:`~upsize.run.TrainingRun`.
    """

    #: Whether the loop itself has to weigh the losses of merged batches.
    weighs_losses = True

    def __init__(
        self, options: Options, counter: BatchCounter, **settings: Any
    ) -> None:
        self._run = TrainingRun(options, counter, **settings)
        self._counter = counter
        self._passes = LoopPasses(
            self._run,
            counter,
            is_drawn=self.plan.grow is None,
            is_weighed=not self.weighs_losses,
        )

    @property
    def plan(self) -> Plan:
        """The plan: the size of every step of the run."""
        assert self._run.plan is not None  # the full size is known
        return self._run.plan

    @property
    def final_size(self) -> Size:
        """The full size."""
        return self.plan.final_size

    @property
    def resizer(self) -> Resizer:
        """How the images of a batch are found and resized."""
        return self._run.options.resizer

    @property
    def mismatched(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return self._run.mismatched

    @property
    def grown_plan(self) -> Plan | None:
        """The plan, if its batches grow while images are small, else ``None``."""
        return None if self.plan.grow is None else self.plan

    @property
    def merging(self) -> Merging | None:
        """Which batches are merged; ``None``: none are."""
        return self._run.merging

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size of each batch to come, without end and without counting any.

        Args:
            batches: Batches in a pass over the loader that draws them. After
                :meth:`load_state_dict` within an epoch, a loader of ``steps_per_epoch``
                batches starts from the first batch of the epoch, which the loop skips;
                a shorter loader starts where the run resumes. ``None``, or a run
                without ``steps_per_epoch``: from the first batch.

        Example:
            >>> from itertools import islice
            >>> from upsize.loop import ProgressiveResize
            >>> from upsize.schedule import Ramp
            >>> resize = ProgressiveResize(
            ...     Ramp(final_size=64, increase_by=32), total_steps=2, accumulate=2
            ... )
            >>> [size.width for size in islice(resize.sizes_ahead(), 4)]
            [32, 32, 64, 64]
        """
        return self._run.sizes_ahead(batches)

    def windows_ahead(self, batches: int | None = None) -> Iterator[tuple[Size, int]]:
        """Yield size and accumulation window of each batch to come, without end.

        Args:
            batches: See :meth:`sizes_ahead`.
        """
        return self._run.windows_ahead(batches)

    def batches_ahead(self, batches: int | None = None) -> Iterator[tuple[Size, int]]:
        """Yield size and images of each batch to come, without end.

        Args:
            batches: See :meth:`sizes_ahead`.
        """
        self._passes.is_drawn = True
        return self._run.batches_ahead(batches)

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

    def expect_sizes(self, *, from_now: bool) -> BatchSteps:
        """Take batches at the size of their step from any loader from now on.

        Args:
            from_now: Whether batch 0 of the loader is the next batch of the run, and
                not its first one.

        Returns:
            The step of each batch, by its number.
        """
        counter = self._counter
        if self.grown_plan is not None:
            raise ValueError(
                "size_stage numbers batches of one length, and those of this run grow: "
                "draw them by a sized loader, or train with a constant batch_size"
            )
        self._run.expect_sizes()
        start = counter.upcoming() if from_now else Position()
        return BatchSteps(counter.accumulate, counter.batches, start)
