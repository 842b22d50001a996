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
from upsize.schedule._phases import Phases
from upsize.schedule._ramp import Ramp
from upsize.schedule._run import Run, run_length
from upsize.schedule._size import Size, WholeNumber
from upsize.schedule._table import stage_table

__all__ = ["Plan", "Schedule"]

Schedule = Annotated[Ramp | Linear | Phases, Field(discriminator="kind")]


class Plan(BaseModel):
    """A schedule bound to a run: which step trains at which size.

    Made by :meth:`Ramp.plan` and its like. Frozen, comparable, and to JSON and back by
    ``plan.model_dump_json()`` and ``Plan.model_validate_json(text)``.

    Args:
        schedule: The schedule that it was made of.
        stages: Stages without gaps from step 0 to ``total_steps``; sizes never shrink.
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

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        sizes = [stage.size for stage in self.stages] + [self.final_size]
        if min(map(min, sizes)) < 1:
            raise ValueError(f"sizes must be at least 1 pixel, not {sizes}")
        for before, after in pairwise(sizes):
            if after.height < before.height or after.width < before.width:
                raise ValueError(f"sizes must never shrink, not {before} to {after}")
        return self

    @cached_property
    def _lookup(self) -> tuple[list[int], list[Size]]:
        """The stages' starts after the first, and their sizes, for the bisection."""
        return (
            [stage.start for stage in self.stages[1:]],
            [stage.size for stage in self.stages],
        )

    def size_at(self, step: int) -> Size:
        """Return the size of a step.

        Args:
            step: Number of the step, from 0; past the end the last stage's size holds.

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
        """The distinct sizes in order."""
        return tuple(dict.fromkeys(stage.size for stage in self.stages))

    @property
    def pixel_share(self) -> float:
        """Pixels trained on as a share of those of training at full size.

        One minus this is the saving that the pixel count promises. A step counts the
        same whatever its size.
        """
        pixels = sum((b - a) * h * w for a, b, (h, w) in self.stages)
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
        so is the new one. Steps past the end of this plan count at its last size.

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
        new = self.model_copy(update={"stages": fresh, "total_steps": run.total_steps})
        changes = [
            (start, Size(*map(max, self.size_at(start), new.size_at(start))))
            for start in starts
        ]
        return Plan(
            schedule=self.schedule,
            stages=stages_of(changes, run.total_steps),
            total_steps=run.total_steps,
            steps_per_epoch=run.steps_per_epoch,
            final_size=self.final_size,
        )
