"""Sizes interpolated over time and rounded: Composer's and FFCV's schedules."""

from __future__ import annotations

import math
from fractions import Fraction
from heapq import merge
from typing import Literal, NamedTuple, Self

from pydantic import field_validator, model_validator

from upsize.schedule._base import Schedule
from upsize.schedule._describe import Growth, describe_growth
from upsize.schedule._moment import (
    IncreaseMode,
    Moment,
    check_increase_mode,
    check_order,
    ordered_positions,
)
from upsize.schedule._run import RunLength
from upsize.schedule._sides import (
    InitialSize,
    check_fits,
    check_some_pixel,
    exact_longer,
    with_longer_side,
)
from upsize.schedule._size import MAX_RESIZES, Multiple, Pixels, Size, as_size

__all__ = ["Linear"]


_Ends = tuple[Fraction, Fraction]


class _Threshold(NamedTuple):
    """The position in a run at which a side reaches a value; sorts by time."""

    position: Fraction  # in steps
    at: Fraction  # of the way from start to finish
    exclusive: bool  # whether the value is taken just after the position, not at it
    axis: int
    side: int


def _thresholds(
    axis: int, first: int, last: int, multiple: int, scale: Fraction, ends: _Ends
) -> list[_Threshold]:
    """Return where a side that grows from ``scale`` * last to last is rounded up.

    A half rounds to the even multiple, as in Python and NumPy.
    """
    start, finish = ends
    per_pixel = 1 / (last * (1 - scale)) if scale < 1 else Fraction(0)
    found = []
    for side in range(first + multiple, last + 1, multiple):
        at = (side - Fraction(multiple, 2) - last * scale) * per_pixel
        exclusive = side // multiple % 2 != 0
        found.append(
            _Threshold(start + (finish - start) * at, at, exclusive, axis, side)
        )
    return found


class Linear(Schedule):
    """Interpolate the size from ``start`` to ``finish``, rounded to a multiple.

    This is the schedule of MosaicML Composer (per step) and FFCV (per epoch), with
    Composer's defaults.

    Args:
        initial_size: Size before ``start``: a share of ``final_size`` as a float in
            (0, 1], rounded like every other size, or pixels: the longer side as an
            int, or (height, width) with the aspect ratio of ``final_size``.
        final_size: Full size in pixels, one side or (height, width). ``None``: given
            to :meth:`plan`, or found by an adapter.
        start: When growth begins: a share of training as a float, an epoch counted
            from 0 as an int, or a string such as ``"10ep"``, ``"500st"``, ``"50%"``.
        finish: When the full size is reached, in the same units.
        multiple_of: Every size is rounded to the nearest multiple of this, one number
            or (height, width), and a half to the even multiple. ``final_size`` and an
            ``initial_size`` in pixels must be multiples of it.
        increase_mode: ``"batch"``: the size follows each step; ``"epoch"``: the size
            at the beginning of an epoch holds through the epoch.

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is allowed.

    Note:
        At step n a side of F pixels is m round(F (i + (1 - i) x) / m), with
        x = (n - start) / (finish - start) within [0, 1], i the initial share and m
        the multiple; in exact arithmetic. Source: Composer,
        algorithms/progressive_resizing, and FFCV's ImageNet trainer, get_resolution.

    Example:
        >>> plan = Linear(final_size=224, multiple_of=56).plan(total_steps=1000)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 576 112x112
        576 725 168x168
        725 1000 224x224
    """

    kind: Literal["linear"] = "linear"
    initial_size: InitialSize = 0.5
    final_size: Pixels | None = None
    start: Moment = 0.5
    finish: Moment = 0.8
    multiple_of: Multiple = 4
    increase_mode: IncreaseMode = IncreaseMode.Batch

    _check_mode = field_validator("increase_mode", mode="before")(check_increase_mode)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_order(self.start, self.finish)
        if (final := self.full_size()) is not None:
            self._initial(final)
        return self

    def changes(self, run: RunLength, final: Size) -> list[tuple[int, Size]]:
        """Return the (step, size) changes of a run, ascending, the first at 0."""
        unit = 1
        if self.increase_mode is IncreaseMode.Epoch:
            unit = run.epoch_length('increase_mode="epoch"')
        _, finish = ordered_positions(self.start, self.finish, run)
        initial, crossings = self._crossings(run, final)
        changes = [(0, initial)]
        for at, inclusive, size in crossings:
            units = at / unit
            first = math.ceil(units) if inclusive else math.floor(units) + 1
            # From finish on the size is the full size, even where all halves meet.
            changes.append((min(first, math.ceil(finish / unit)) * unit, size))
        return changes

    def describe(self, run: RunLength, final: Size) -> str:
        """Describe the schedule in one line."""
        initial, crossings = self._crossings(run, final)
        positions = [at for at, _, _ in crossings]
        every = None
        if len(positions) > 1:
            every = (positions[-1] - positions[0]) / (len(positions) - 1)
        sizes = [size for _, _, size in crossings]
        growth = Growth(initial, sizes, positions, every)
        return describe_growth(growth, run)

    def _scale(self, final: Size) -> Fraction:
        """Return the first size as an exact share of the final one."""
        multiple = as_size(self.multiple_of)
        check_fits("final_size", final, multiple)
        return exact_longer(self.initial_size, final, multiple, round) / max(final)

    def _initial(self, final: Size) -> Size:
        """Return the first size, or raise if it does not fit."""
        multiple = as_size(self.multiple_of)
        initial = with_longer_side(
            self._scale(final) * max(final), final, multiple, round
        )
        check_some_pixel("initial_size", self.initial_size, initial, final, multiple)
        return initial

    def _crossings(
        self, run: RunLength, final: Size
    ) -> tuple[Size, list[tuple[Fraction, bool, Size]]]:
        """Return the first size, and each later one with its position in steps."""
        initial, scale = self._initial(final), self._scale(final)
        ends = ordered_positions(self.start, self.finish, run)
        multiples = as_size(self.multiple_of)
        most = max((final[axis] - initial[axis]) // multiples[axis] for axis in (0, 1))
        if most > MAX_RESIZES:
            raise ValueError(
                f"multiple_of={self.multiple_of} makes {most:,} sizes from {initial} "
                f"to {final}, more than {MAX_RESIZES:,}: use a larger multiple, or a "
                "Ramp"
            )
        axes = [
            _thresholds(axis, initial[axis], final[axis], multiple, scale, ends)
            for axis, multiple in enumerate(multiples)
        ]
        crossings: list[tuple[Fraction, bool, Size]] = []
        current = list(initial)
        for position, _, exclusive, axis, side in merge(*axes):
            current[axis] = side
            if crossings and crossings[-1][:2] == (position, not exclusive):
                crossings.pop()
            crossings.append((position, not exclusive, Size(*current)))
        return initial, crossings
