"""Random sizes: multi-scale training, alone or after a schedule that grows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, SerializeAsAny, Tag, model_validator

from upsize.schedule._base import Schedule, changes_of
from upsize.schedule._describe import describe_moment
from upsize.schedule._drawn_sizes import DrawnSizes
from upsize.schedule._linear import Linear
from upsize.schedule._moment import Moment, check_order, position
from upsize.schedule._phases import Phases
from upsize.schedule._ramp import Ramp
from upsize.schedule._random_size import RandomSize, Seed, collapse
from upsize.schedule._run import RunLength
from upsize.schedule._shown import shown
from upsize.schedule._sides import check_fits, exact_size
from upsize.schedule._size import Multiple, Pixels, Size, WholeNumber, as_size

__all__ = ["MultiScale"]

_GROWING: dict[Any, str] = {Ramp: "ramp", Linear: "linear", Phases: "phases"}


def _branch(value: Any) -> Any:
    """Return the parser of ``before``: a kind by its name, or any other schedule."""
    if isinstance(value, Schedule):
        own = None if isinstance(value, MultiScale) else "own"
        return _GROWING.get(type(value), own)
    return value.get("kind") if isinstance(value, Mapping) else None


Before = Annotated[
    Annotated[Ramp, Tag("ramp")]
    | Annotated[Linear, Tag("linear")]
    | Annotated[Phases, Tag("phases")]
    | Annotated[SerializeAsAny[Schedule], Tag("own")],
    Discriminator(
        _branch,
        custom_error_type="before",
        custom_error_message=(
            "must be a schedule that grows: a Ramp, Linear or Phases, by 'kind' in a "
            "file, or a Schedule of your own"
        ),
    ),
]


class MultiScale(Schedule):
    """Train at random sizes, with a new draw every few steps.

    The sizes are a pure function of ``seed`` and the step: all processes find the same
    sizes without communication, and so do workers that load ahead and a resumed run.

    Args:
        sizes: The sizes to draw from, with equal probability; a size that is listed
            twice is drawn twice as often. A list of sizes, each a share of
            ``final_size`` as a float in (0, 1], rounded down to ``multiple_of``, or
            pixels, the longer side as an int or (height, width); or
            ``range(480, 801, 32)``, in files ``{low: 480, high: 800, step: 32}`` with
            ``high`` included. No size may be larger than ``final_size``.
        every: Steps for which a size holds, counted from step 0 of the run.
        seed: Seed of the draws, from 0 to 2**64 - 1.
        before: A schedule that grows first. Its own final size may be smaller.
        start: When the draws begin: a share of training as a float, an epoch counted
            from 0 as an int, or a string such as ``"10ep"``, ``"500st"``, ``"50%"``.
            ``None``: with the last resize of ``before``, at step 0 without it. Until
            then training uses the sizes of ``before``, or full size without it.
        finish: When the draws end, in the same units; full size follows. ``None``: at
            the end of the run, at whatever size is drawn last.
        final_size: Full size in pixels, one side or (height, width). ``None``: the full
            size of ``before``, else the largest of ``sizes`` if all are in pixels, else
            given to :meth:`plan` or found by an adapter.
        multiple_of: Every size is a multiple of this, one number or (height, width).

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is allowed.

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
    sizes: DrawnSizes
    every: WholeNumber = 10
    seed: Seed = 0
    before: Before | None = None
    start: Moment | None = None
    finish: Moment | None = None
    final_size: Pixels | None = None
    multiple_of: Multiple = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.start is not None and self.finish is not None:
            check_order(self.start, self.finish)
        if (final := self.full_size()) is not None:
            self._random_size(final)
            self._final_before(final)
        return self

    def _own_full_size(self) -> Size | None:
        """Return ``final_size``, else that of ``before``, else the largest size."""
        if self.final_size is not None:
            return as_size(self.final_size)
        if self.before is not None and (final := self.before.full_size()) is not None:
            return final
        pixels = [as_size(s) for s in self.sizes if not isinstance(s, float)]
        if len(pixels) < len(self.sizes):
            return None
        return max(pixels, key=math.prod)

    def changes(
        self, run: RunLength, final: Size
    ) -> list[tuple[int, Size | RandomSize]]:
        """Return the (step, size) changes of a run, ascending, the first at 0."""
        head, begin, end = self._moments(run, final)
        drawn = collapse(self._random_size(final), final)
        changes: list[tuple[int, Size | RandomSize]] = [
            *head,
            (math.ceil(begin), drawn),
        ]
        if end is not None:
            changes.append((math.ceil(end), final))
        return changes

    def describe(self, run: RunLength, final: Size) -> str:
        """Describe what comes before the draws, and the draws, a line each."""
        _, begin, end = self._moments(run, final)
        text = ""
        if self.before is not None:
            text = self.before.describe(run, self._final_before(final)) + "\n"
        elif begin > 0:
            text = f"{final} at first\n"
        sizes = list(self._random_size(final).weights)
        text += (
            f"one of {len(sizes)} sizes from {sizes[0]} to {sizes[-1]} drawn every "
            f"{self.every} steps, from {describe_moment(begin, run)}"
        )
        if end is None:
            return text + " to the end"
        return f"{text} to {describe_moment(end, run)}, then {final}"

    def _final_before(self, final: Size) -> Size:
        """Return the size that ``before`` grows to.

        Raises:
            ValueError: When it is larger than ``final``, or ``before`` does not fit it.
        """
        if self.before is None:
            return final
        own = self.before.full_size() or final
        if own.height > final.height or own.width > final.width:
            raise ValueError(
                f"before grows to {tuple(own)}, which is larger than "
                f"final_size={tuple(final)}"
            )
        return own

    def _moments(
        self, run: RunLength, final: Size
    ) -> tuple[list[tuple[int, Size | RandomSize]], Fraction, Fraction | None]:
        """Return what comes before the draws, and where the draws begin and end.

        Raises:
            ValueError: When the draws would begin before ``before`` is done, or end
                before they begin.
        """
        head: list[tuple[int, Size | RandomSize]] = [(0, final)]
        if self.before is not None:
            head = changes_of(self.before, run, self._final_before(final))
        done, begin = Fraction(head[-1][0]), Fraction(head[-1][0])
        if self.start is not None:
            begin = position("start", self.start, run)
            if math.ceil(begin) < done:
                raise ValueError(
                    f"start={shown(self.start)} comes before the last resize of "
                    f"before, at {describe_moment(done, run)}: set it later, or leave "
                    "it out"
                )
        if self.finish is None:
            return head, begin, None
        end = position("finish", self.finish, run)
        if end < begin:
            raise ValueError(
                f"finish={shown(self.finish)} comes before the draws begin, at "
                f"{describe_moment(begin, run)}: set it later"
            )
        return head, begin, end

    def _random_size(self, final: Size) -> RandomSize:
        """Return the sizes to draw from, or raise if one does not fit."""
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
