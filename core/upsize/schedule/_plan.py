"""A schedule bound to a run: a few stages, and the size of any step."""

from __future__ import annotations

import operator
from bisect import bisect_right
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from upsize.schedule._base import Stage, stages_of
from upsize.schedule._linear import Linear
from upsize.schedule._multiscale import MultiScale
from upsize.schedule._phases import Phases
from upsize.schedule._ramp import Ramp
from upsize.schedule._random_size import RandomSize, larger, settled
from upsize.schedule._run import Run, run_length
from upsize.schedule._size import Size, WholeNumber
from upsize.schedule._table import stage_table

__all__ = ["Plan", "Schedule"]

Schedule = Annotated[Ramp | Linear | Phases | MultiScale, Field(discriminator="kind")]


class Plan(BaseModel):
    """A schedule bound to a run: which step trains at which size.

    Made by :meth:`Ramp.plan` and its like. Frozen, comparable, and to JSON and back by
    ``plan.model_dump_json()`` and ``Plan.model_validate_json(text)``.

    Args:
        schedule: The schedule that it was made of.
        stages: Stages without gaps from step 0 to ``total_steps``; sizes never shrink,
            but for those that are drawn at random.
        total_steps: Length of the run in steps.
        steps_per_epoch: Steps in an epoch, or ``None`` where that is not known.
        final_size: The full size.

    Raises:
        pydantic.ValidationError: When the stages do not make up such a run.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, steps_per_epoch=147
        ... )
        >>> print(plan.table())
        from step  to step  from epoch  size     share of steps  share of pixels
                0     1470           0  112x112          50.0 %           24.2 %
             1470     2205          10  168x168          25.0 %           27.3 %
             2205     2940          15  224x224          25.0 %           48.5 %
        51.6 % of the pixels of full-size training
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schedule: Schedule
    stages: tuple[Stage, ...]
    total_steps: WholeNumber
    steps_per_epoch: WholeNumber | None = None
    final_size: Size

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = [stage.start for stage in self.stages] + [self.total_steps]
        stops = [0] + [stage.stop for stage in self.stages]
        if bounds != stops or any(stage.start >= stage.stop for stage in self.stages):
            raise ValueError(
                f"stages must follow each other from step 0 to {self.total_steps}, not "
                f"{[(stage.start, stage.stop) for stage in self.stages]}"
            )
        sizes = [*self.sizes, self.final_size]
        if min(map(min, sizes)) < 1:
            raise ValueError(f"sizes must be at least 1 pixel, not {sizes}")
        fixed = [stage.size for stage in self.stages if isinstance(stage.size, Size)]
        for before, after in pairwise([*fixed, self.final_size]):
            if after.height < before.height or after.width < before.width:
                raise ValueError(f"sizes must never shrink, not {before} to {after}")
        for size in sizes:
            if larger(size, self.final_size) != self.final_size:
                raise ValueError(
                    f"sizes must not be larger than the final_size {self.final_size}, "
                    f"as {size} is"
                )
        return self

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
            step: Number of the step, from 0; past the end the last stage goes on.

        Raises:
            ValueError: When ``step`` is negative.
            TypeError: When it is no integer.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=224).plan(total_steps=1000)
            >>> print(plan.size_at(0), plan.size_at(600), plan.size_at(10**9))
            112x112 156x156 224x224
        """
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"step must be at least 0, not {step}")
        size = self._size_at(step)
        return size if isinstance(size, Size) else size.at(step)

    def _size_at(self, step: int) -> Size | RandomSize:
        """Return the size of the stage of a step."""
        starts, sizes = self._lookup
        return sizes[bisect_right(starts, step)]

    @property
    def epochs(self) -> int | float | None:
        """Length of the run in epochs, an int where it is whole; ``None``: unknown."""
        epochs = Run(self.total_steps, self.steps_per_epoch).epochs
        if epochs is None:
            return None
        return int(epochs) if epochs.denominator == 1 else float(epochs)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The distinct sizes in order, with all that may be drawn in a stage."""
        return tuple(
            dict.fromkeys(size for stage in self.stages for size in stage.sizes)
        )

    @property
    def steps_by_size(self) -> dict[Size, Fraction]:
        """How many steps train at each size, in the order of :attr:`sizes`.

        Of random sizes it is the expected number, hence the fractions.

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
        # Of n sizes it takes n draws on average to find the full one.
        return self.final_size in size.choices and any(
            drawn == self.final_size for _, _, drawn in size.draws(start, stop)
        )

    @property
    def pixel_share(self) -> float:
        """Pixels trained on as a share of those of training at full size.

        One minus this is the saving that the pixel count promises. A step counts the
        same whatever its size. Random sizes count by their probability, which the
        draws of a run come the closer to the more there are.
        """
        pixels = sum(stage.pixels for stage in self.stages)
        full = self.total_steps * self.final_size.height * self.final_size.width
        return float(Fraction(pixels, full))

    def summary(self) -> str:
        """Return what the run does in two sentences, for a ramp the reference's.

        Example:
            >>> from upsize.schedule import Ramp
            >>> ramp = Ramp(final_size=224, increase_by=28, increase_mode="epoch")
            >>> print(ramp.plan(epochs=20, steps_per_epoch=147).summary())
            Progressively increase the initial image size of [112, 112] by 28 pixels \
every 1 epoch for 4 resizes.
            Starting at epoch 12 and finishing at epoch 15 for a final training size \
of [224, 224].
        """
        run = Run(self.total_steps, self.steps_per_epoch)
        text = self.schedule.describe(run, self.final_size)
        fresh = stages_of(self.schedule.changes(run, self.final_size), self.total_steps)
        if fresh != self.stages:
            text += "\nSizes are never below those of the run that this one resumes."
        return text

    def table(self) -> str:
        """Return the stages as a table, a line each, and the share of pixels."""
        return stage_table(self)

    def __str__(self) -> str:
        return f"{self.summary()}\n\n{self.table()}"

    def rebind(
        self,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
    ) -> Plan:
        """Bind the schedule to a run of another length that resumes this one.

        At every step the size is the larger one of this plan and of a fresh plan of
        the new length: sizes never shrink, and where the fresh plan is at full size,
        so is the new one. Steps past the end of this plan count as its last stage.
        What is drawn at random depends on the seed and the step, not on the length: a
        plan that draws from its first step to its last goes on as if it had been
        longer from the start.

        Args:
            epochs: New length in epochs of ``steps_per_epoch``.
            steps_per_epoch: As in :meth:`Ramp.plan`; this plan's when not given.
            total_steps: New length in steps, instead of ``epochs``.

        Returns:
            The plan to go on with, and to save from then on.

        Raises:
            ValueError: When the length is missing or contradicts itself.

        Example:
            >>> from upsize.schedule import Ramp
            >>> old = Ramp(final_size=224).plan(total_steps=1000)
            >>> new = old.rebind(total_steps=4000)
            >>> print(old.size_at(600), new.size_at(600), new.size_at(2999))
            156x156 156x156 224x224
        """
        steps_per_epoch = steps_per_epoch or self.steps_per_epoch
        run = run_length(epochs, steps_per_epoch, total_steps)
        fresh = stages_of(self.schedule.changes(run, self.final_size), run.total_steps)
        starts = sorted({stage.start for stage in (*self.stages, *fresh)})

        def plan(stages: tuple[Stage, ...]) -> Plan:
            # Not model_copy, which would copy what this plan has cached of its stages.
            return Plan(
                schedule=self.schedule,
                stages=stages,
                total_steps=run.total_steps,
                steps_per_epoch=run.steps_per_epoch,
                final_size=self.final_size,
            )

        new = plan(fresh)
        changes = [
            (
                start,
                settled(
                    larger(self._size_at(start), new._size_at(start)), self.final_size
                ),
            )
            for start in starts
        ]
        return plan(stages_of(changes, run.total_steps))
