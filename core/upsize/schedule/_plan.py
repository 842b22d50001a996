"""A schedule bound to a run: a few stages, and the size of any step."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

from upsize.schedule._random_size import RandomSize, collapse, elementwise_max
from upsize.schedule._run import RunLength
from upsize.schedule._size import Size, WholeNumber
from upsize.schedule._stage import Stage, check_stages, stages_of
from upsize.schedule._table import stage_rows, stage_table

__all__ = ["Plan"]

_RESUMED = "\nnever below the sizes of the run that this one resumes"


class Plan(BaseModel):
    """A schedule bound to a run: which step trains at which size.

    :meth:`Schedule.plan` makes it. It is plain data: frozen and comparable;
    ``plan.model_dump_json()`` and ``Plan.model_validate_json(text)`` save and load it.

    Args:
        schedule: The schedule that it was made from, as a dict for reading: its kind
            and fields.
        description: What the schedule does in this run, in a sentence or two.
        stages: Stages without gaps from step 0 to ``total_steps``; sizes never shrink,
            except for random ones.
        total_steps: Length of the run in steps.
        steps_per_epoch: Steps in an epoch; ``None``: not known.
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

    schedule: dict[str, JsonValue]
    description: str
    stages: tuple[Stage, ...]
    total_steps: WholeNumber
    steps_per_epoch: WholeNumber | None = None
    final_size: Size

    # A dict has no hash.
    def __hash__(self) -> int:
        return hash((self.stages, self.steps_per_epoch, self.final_size))

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_stages(self.stages, self.total_steps, self.final_size)
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
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"step must be at least 0, not {step}")
        starts, sizes = self._lookup
        size = sizes[bisect_right(starts, step)]
        return size if isinstance(size, Size) else size.at(step)

    @property
    def epochs(self) -> int | float | None:
        """Length of the run in epochs, an int if it is whole; ``None``: unknown."""
        epochs = RunLength(self.total_steps, self.steps_per_epoch).epochs
        if epochs is None:
            return None
        return int(epochs) if epochs.denominator == 1 else float(epochs)

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

    @property
    def pixel_share(self) -> float:
        """Pixels trained on as a share of those of training at full size.

        One minus this is the saving by pixel count; it ignores the fixed cost of a
        step. Random sizes count by their probability, which the draws of a run approach
        as their number grows.
        """
        pixels = sum(stage.pixels for stage in self.stages)
        full = self.total_steps * self.final_size.height * self.final_size.width
        return float(Fraction(pixels, full))

    def summary(self) -> str:
        """Describe what the run does, in one line.

        Example:
            >>> from upsize.schedule import Ramp
            >>> ramp = Ramp(final_size=224, increase_by=28, increase_mode="epoch")
            >>> print(ramp.plan(epochs=20, steps_per_epoch=147).summary())
            112x112 until epoch 12, then +28 px every epoch, 224x224 from epoch 15
        """
        return self.description

    def table(self) -> str:
        """Return a table with a line for each stage, and the share of pixels."""
        rows = stage_rows(self.stages, self.steps_per_epoch)
        return stage_table(rows, self.pixel_share)

    def __str__(self) -> str:
        return f"{self.summary()}\n\n{self.table()}"

    def never_below(self, saved: Plan) -> Plan:
        """Return this plan for a run that resumes another: sizes never shrink.

        At every step each side is the larger one of the two plans. So full size is
        reached where this plan reaches it, or earlier.

        The plans are compared at the same step. If both know their steps per epoch and
        these differ, as with another batch size or number of processes, they are
        compared at the same epoch, which is the same share of training if they have the
        same number of epochs: step 30 of 10 epochs of 50 steps is compared with step 60
        of 10 epochs of 100 steps. With the same ``total_steps`` the same step is the
        same share, whatever the epochs are. Steps after the end of ``saved`` count as
        its last stage.

        A draw of random sizes depends on the seed and the step, not on the length: a
        plan that draws in every step continues as if it had been longer from the start.

        Args:
            saved: The plan of the run that this one resumes, with the same full size.

        Returns:
            The plan to resume with, and to save from then on.

        Raises:
            ValueError: When the full sizes differ, or random sizes are drawn
                differently.

        Example:
            >>> from upsize.schedule import Ramp
            >>> ramp = Ramp(final_size=224)
            >>> saved = ramp.plan(epochs=10, steps_per_epoch=100)
            >>> longer = ramp.plan(epochs=40, steps_per_epoch=100)
            >>> for step in (600, 2200, 3000):
            ...     resumed = longer.never_below(saved).size_at(step)
            ...     print(saved.size_at(step), longer.size_at(step), resumed)
            156x156 112x112 156x156
            224x224 136x136 224x224
            224x224 224x224 224x224
            >>> larger_batches = ramp.plan(epochs=10, steps_per_epoch=50)
            >>> larger_batches.never_below(saved) == larger_batches
            True
        """
        if saved.final_size != self.final_size:
            raise ValueError(
                f"the saved plan has the full size {saved.final_size}, and this one "
                f"{self.final_size}: resume with the saved one"
            )
        mine, theirs = self.steps_per_epoch, saved.steps_per_epoch
        if mine is None or theirs is None or self.total_steps == saved.total_steps:
            mine = theirs = 1
        # The first step of this plan that is not earlier than the saved one's.
        moved = [(-(-start * mine // theirs), size) for start, _, size in saved.stages]
        old = stages_of(moved, self.total_steps)
        stages = _larger_of(old, self.stages, self.final_size)
        text = self.description
        if stages != self.stages and not text.endswith(_RESUMED):
            text += _RESUMED
        # Not model_copy, which would also copy the cached properties of this plan.
        return Plan(**dict(self) | {"stages": stages, "description": text})


def _larger_of(
    a: Sequence[Stage], b: Sequence[Stage], final: Size
) -> tuple[Stage, ...]:
    """Return the stages with the larger size of two plans at each step."""

    def at(stages: Sequence[Stage], step: int) -> Size | RandomSize:
        return stages[
            bisect_right(stages, step, key=lambda stage: stage.start) - 1
        ].size

    changes = [
        (step, collapse(elementwise_max(at(a, step), at(b, step)), final))
        for step in sorted({stage.start for stage in (*a, *b)})
    ]
    return stages_of(changes, a[-1].stop)
