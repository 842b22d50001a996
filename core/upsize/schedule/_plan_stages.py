"""The stages of a plan: the size of each step, and how many steps each size has."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from functools import cached_property

from pydantic import JsonValue

from upsize.schedule._frozen import Frozen
from upsize.schedule._grow import GrowField
from upsize.schedule._random_size import RandomSize
from upsize.schedule._run import check_step
from upsize.schedule._size import Size, WholeNumber
from upsize.schedule._stage import Stage

__all__ = ["PlanStages"]


class PlanStages(Frozen):
    """The fields of a :class:`Plan`, and what its stages say about sizes."""

    schedule: dict[str, JsonValue]
    description: str
    stages: tuple[Stage, ...]
    total_steps: WholeNumber
    steps_per_epoch: WholeNumber | None = None
    final_size: Size
    samples_per_epoch: WholeNumber | None = None
    batch_size: WholeNumber | None = None
    grow: GrowField | None = None
    stage_batches: tuple[WholeNumber, ...] | None = None

    @cached_property
    def _lookup(self) -> tuple[list[int], list[Size | RandomSize]]:
        """The stages' starts after the first, and their sizes, for the bisection."""
        return (
            [stage.start for stage in self.stages[1:]],
            [stage.size for stage in self.stages],
        )

    def size_at(self, step: int) -> Size:
        """Return the size of a step.

        Args:
            step: Number of the step, from 0; after the end the last stage continues.

        Raises:
            ValueError: When ``step`` is negative.
            TypeError: When it is not an integer.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=224).plan(total_steps=1000)
            >>> print(plan.size_at(0), plan.size_at(600), plan.size_at(10**9))
            112x112 156x156 224x224
        """
        if type(step) is not int or step < 0:
            step = check_step(step)
        starts, sizes = self._lookup
        size = sizes[bisect_right(starts, step)]
        return size if isinstance(size, Size) else size.at(step)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The distinct sizes in order, including all that a stage may draw."""
        return tuple(
            dict.fromkeys(size for stage in self.stages for size in stage.sizes)
        )

    @property
    def steps_by_size(self) -> dict[Size, Fraction]:
        """How many steps train at each size, in the order of :attr:`sizes`.

        For random sizes it is the expected number, hence the fractions.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=64, increase_by=32).plan(total_steps=30)
            >>> {str(size): int(steps) for size, steps in plan.steps_by_size.items()}
            {'32x32': 15, '64x64': 15}
        """
        steps = dict.fromkeys(self.sizes, Fraction(0))
        for stage in self.stages:
            for size, share in stage.weights.items():
                steps[size] += (stage.stop - stage.start) * share
        return steps

    @property
    def reaches_full_size(self) -> bool:
        """Whether a step of the last stage trains at full size."""
        start, stop, size = self.stages[-1]
        if isinstance(size, Size):
            return size == self.final_size
        # With n sizes, full size takes n draws on average.
        return self.final_size in size.choices and any(
            drawn == self.final_size for _, _, drawn in size.draws(start, stop)
        )
