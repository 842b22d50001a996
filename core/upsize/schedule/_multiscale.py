"""Random sizes: multi-scale training, alone or after a schedule that grows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from upsize.schedule._base import BaseSchedule
from upsize.schedule._describe import describe_moment
from upsize.schedule._linear import Linear
from upsize.schedule._moment import Moment, check_order, position
from upsize.schedule._phases import Phases
from upsize.schedule._ramp import Ramp
from upsize.schedule._random_size import RandomSize, Seed, settled
from upsize.schedule._run import Run
from upsize.schedule._sides import InitialSize, check_fits, exact_size
from upsize.schedule._size import (
    Multiple,
    Pixels,
    Size,
    WholeNumber,
    as_size,
    whole_number,
)

__all__ = ["MultiScale"]

_BOUNDS = ("low", "high", "step")


def _check_sizes(value: Any) -> Any:
    """Write a range out, and refuse what is no list of sizes."""
    if isinstance(value, Mapping):
        bounds = []
        if value.keys() == set(_BOUNDS):
            with contextlib.suppress(ValueError):
                bounds = [whole_number(value[name]) for name in _BOUNDS]
        if not bounds or bounds[0] > bounds[1] or (bounds[1] - bounds[0]) % bounds[2]:
            raise ValueError(
                "a range must be {low, high, step} in pixels, with a step that leads "
                f"from low to high, as {{low: 480, high: 800, step: 32}}, not {value!r}"
            )
        low, high, step = bounds
        value = range(low, high + 1, step)
    if isinstance(value, range):
        value = tuple(value)
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(
            "must be a list of sizes, as [160, 192, 224], or a range, as "
            f"range(480, 801, 32) or {{low: 480, high: 800, step: 32}}, not {value!r}"
        )
    return value


class MultiScale(BaseSchedule):
    """Train at random sizes, drawn anew every few steps.

    The sizes are a pure function of ``seed`` and the step: every process finds the
    same ones without a word to the others, and so do workers that look ahead and a
    resumed run.

    Args:
        sizes: What is drawn from, with equal probability; a size that stands twice is
            drawn twice as often. A list of sizes, each a share of ``final_size`` as a
            float in (0, 1], rounded down to ``multiple_of``, or pixels, the longer side
            as an int or (height, width); or ``range(480, 801, 32)``, in files
            ``{low: 480, high: 800, step: 32}`` with ``high`` included. None is larger
            than ``final_size``.
        every: Steps for which a size holds, counted from step 0 of the run.
        seed: Of the draws, from 0 to 2**64 - 1.
        before: A schedule that grows first. Its own final size may be a smaller one.
        start: When the draws begin: a share of training as a float, an epoch counted
            from 0 as an int, or a string such as ``"10ep"``, ``"500st"``, ``"50%"``.
            ``None``: with the last resize of ``before``, at step 0 without it. Until
            then training is at the sizes of ``before``, or at full size without it.
        finish: When they end, in the same units, and full size remains. ``None``: with
            the run, at whatever size comes last.
        final_size: Full size in pixels, one side or (height, width). ``None``: that of
            ``before``, else the largest of ``sizes`` where all are in pixels, else
            given to :meth:`plan` or found by an adapter.
        multiple_of: Every size is a multiple of this, one number or (height, width).

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is.

    Note:
        At step n the size is ``sizes[len(sizes) * x // 2**64]``, with x output number
        ``n // every`` of SplitMix64 started at ``seed``; see :class:`RandomSize`.

    Example:
        >>> schedule = MultiScale(sizes=range(96, 225, 32), every=10, finish=0.75)
        >>> plan = schedule.plan(total_steps=1000)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 750 96x96 to 224x224
        750 1000 224x224
        >>> [plan.size_at(step).width for step in range(0, 80, 10)]
        [224, 160, 96, 224, 96, 128, 96, 192]
        >>> MultiScale(sizes=[160, 192, 224], before=Ramp(increase_by=32)).plan(
        ...     total_steps=1000).stages[-1].start
        750
    """

    kind: Literal["multiscale"] = "multiscale"
    sizes: Annotated[tuple[InitialSize, ...], BeforeValidator(_check_sizes)]
    every: WholeNumber = 10
    seed: Seed = 0
    before: Annotated[Ramp | Linear | Phases, Field(discriminator="kind")] | None = None
    start: Moment | None = None
    finish: Moment | None = None
    final_size: Pixels | None = None
    multiple_of: Multiple = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.start is not None and self.finish is not None:
            check_order(self.start, self.finish)
        if (final := self.target()) is not None:
            self._random_size(final)
            self._final_before(final)
        return self

    def target(self) -> Size | None:
        """Return ``final_size``, that of ``before``, or the largest of ``sizes``."""
        if self.final_size is not None:
            return as_size(self.final_size)
        if self.before is not None and (final := self.before.target()) is not None:
            return final
        pixels = [as_size(s) for s in self.sizes if not isinstance(s, float)]
        if len(pixels) < len(self.sizes):
            return None
        return max(pixels, key=math.prod)

    def changes(self, run: Run, final: Size) -> list[tuple[int, Size | RandomSize]]:
        """Return the (step, size) changes of a run, ascending, the first at 0."""
        head, begin, end = self._moments(run, final)
        drawn = settled(self._random_size(final), final)
        changes: list[tuple[int, Size | RandomSize]] = [
            *head,
            (math.ceil(begin), drawn),
        ]
        if end is not None:
            changes.append((math.ceil(end), final))
        return changes

    def describe(self, run: Run, final: Size) -> str:
        """Return what comes before the draws, and the draws in one sentence."""
        _, begin, end = self._moments(run, final)
        text = ""
        if self.before is not None:
            text = self.before.describe(run, self._final_before(final)) + "\n"
        elif begin > 0:
            text = f"Train at the full image size of {list(final)} at first.\n"
        sizes = list(self._random_size(final).weights)
        text += (
            f"Draw one of {len(sizes)} image sizes from {list(sizes[0])} to "
            f"{list(sizes[-1])} every {self.every} steps, from "
            f"{describe_moment(begin, run)}"
        )
        if end is None:
            return text + " to the end."
        return (
            f"{text} to {describe_moment(end, run)}, and train at the full size of "
            f"{list(final)} from there on."
        )

    def _final_before(self, final: Size) -> Size:
        """Return the size that ``before`` grows to.

        Raises:
            ValueError: When it is larger than ``final``, or ``before`` does not fit it.
        """
        if self.before is None:
            return final
        own = self.before.target() or final
        if own.height > final.height or own.width > final.width:
            raise ValueError(
                f"before grows to {tuple(own)}, which is larger than "
                f"final_size={tuple(final)}"
            )
        return own

    def _moments(
        self, run: Run, final: Size
    ) -> tuple[list[tuple[int, Size]], Fraction, Fraction | None]:
        """Return what comes before the draws, and where these begin and end, in steps.

        Raises:
            ValueError: When they would begin before ``before`` is done, or end before
                they begin.
        """
        head = [(0, final)]
        if self.before is not None:
            head = self.before.changes(run, self._final_before(final))
        done, begin = Fraction(head[-1][0]), Fraction(head[-1][0])
        if self.start is not None:
            begin = position("start", self.start, run)
            if math.ceil(begin) < done:
                raise ValueError(
                    f"start={self.start!r} comes before the last resize of before, at "
                    f"{describe_moment(done, run)}: let it come later, or leave it out"
                )
        if self.finish is None:
            return head, begin, None
        end = position("finish", self.finish, run)
        if end < begin:
            raise ValueError(
                f"finish={self.finish!r} comes before the draws begin, at "
                f"{describe_moment(begin, run)}: let it come later"
            )
        return head, begin, end

    def _random_size(self, final: Size) -> RandomSize:
        """Return what is drawn from, or say which size does not fit."""
        multiple = as_size(self.multiple_of)
        check_fits("final_size", final, multiple)
        sizes = tuple(exact_size("sizes", spec, final, multiple) for spec in self.sizes)
        for size in sizes:
            if size.height > final.height or size.width > final.width:
                raise ValueError(
                    f"sizes has {tuple(size)}, which is larger than "
                    f"final_size={tuple(final)}: images are never enlarged; raise "
                    "final_size, and load images of that size"
                )
        return RandomSize(choices=sizes, every=self.every, seed=self.seed)
