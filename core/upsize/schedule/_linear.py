"""Sizes interpolated over time and rounded: Composer's and FFCV's schedules."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal, NamedTuple, Self

from pydantic import model_validator

from upsize.schedule._base import BaseSchedule, IncreaseMode
from upsize.schedule._describe import Growth, describe_growth
from upsize.schedule._moment import Moment, check_order, ordered_positions
from upsize.schedule._run import Run
from upsize.schedule._sides import (
    InitialSize,
    check_fits,
    check_some_pixel,
    exact_longer,
    follow,
)
from upsize.schedule._size import Multiple, Pixels, Size, as_size

__all__ = ["Linear"]


class _Threshold(NamedTuple):
    """The share of the ramp at which one side takes a value."""

    at: Fraction
    inclusive: bool  # whether the value is taken at the share itself, or just after
    side: int


def _thresholds(
    first: int, last: int, multiple: int, scale: Fraction
) -> list[_Threshold]:
    """Return where a side that grows from ``scale`` x last to last is rounded up.

    A half rounds to the even multiple, as Python and NumPy do.
    """
    return [
        _Threshold(
            ((side - Fraction(multiple, 2)) / last - scale) / (1 - scale),
            side // multiple % 2 == 0,
            side,
        )
        for side in range(first + multiple, last + 1, multiple)
    ]


class Linear(BaseSchedule):
    """Interpolate the size from ``start`` to ``finish``, rounded to a multiple.

    The schedule of MosaicML Composer (per step) and of FFCV (per epoch); its defaults
    are Composer's.

    Args:
        initial_size: Size before ``start``: a share of ``final_size`` as a float in
            (0, 1], rounded like every other size, or pixels: the longer side as an
            int, or (height, width) of the aspect ratio of ``final_size``.
        final_size: Full size in pixels, one side or (height, width). ``None``: given
            to :meth:`plan`, or found by an adapter.
        start: When growth begins: a share of training as a float, an epoch counted
            from 0 as an int, or a string such as ``"10ep"``, ``"500st"``, ``"50%"``.
        finish: When the full size is reached, in the same units.
        multiple_of: Every size is rounded to the nearest multiple of this, one number
            or (height, width), a half to the even multiple. ``final_size`` and an
            ``initial_size`` in pixels must fit it.
        increase_mode: ``"batch"``: the size follows each step; ``"epoch"``: it is
            read at the beginning of an epoch and kept.

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is.

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

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_order(self.start, self.finish)
        if (final := self.target()) is not None:
            self._initial(final)
        return self

    def target(self) -> Size | None:
        """Return ``final_size`` as a size."""
        return None if self.final_size is None else as_size(self.final_size)

    def changes(self, run: Run, final: Size) -> list[tuple[int, Size]]:
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
            # From finish on the size is the full one, even where all halves meet.
            changes.append((min(first, math.ceil(finish / unit)) * unit, size))
        return changes

    def describe(self, run: Run, final: Size) -> str:
        """Return the schedule in the two sentences of the reference."""
        initial, crossings = self._crossings(run, final)
        positions = [at for at, _, _ in crossings]
        every = None
        if len(positions) > 1:
            every = (positions[-1] - positions[0]) / (len(positions) - 1)
        sizes = [size for _, _, size in crossings]
        growth = Growth(initial, sizes, positions, every)
        return describe_growth(growth, run, IncreaseMode.Batch)

    def _scale(self, final: Size) -> Fraction:
        """Return the first size as an exact share of the final one."""
        multiple = as_size(self.multiple_of)
        check_fits("final_size", final, multiple)
        return exact_longer(self.initial_size, final, multiple, round) / max(final)

    def _initial(self, final: Size) -> Size:
        """Return the first size, or say why there is none."""
        multiple = as_size(self.multiple_of)
        initial = follow(self._scale(final) * max(final), final, multiple, round)
        check_some_pixel("initial_size", self.initial_size, initial, final, multiple)
        return initial

    def _crossings(
        self, run: Run, final: Size
    ) -> tuple[Size, list[tuple[Fraction, bool, Size]]]:
        """Return the first size, and each later one with its position in steps."""
        initial, scale = self._initial(final), self._scale(final)
        start, finish = ordered_positions(self.start, self.finish, run)
        thresholds = sorted(
            (start + (finish - start) * at, at, not inclusive, axis, side)
            for axis, multiple in enumerate(as_size(self.multiple_of))
            for at, inclusive, side in _thresholds(
                initial[axis], final[axis], multiple, scale
            )
        )
        crossings: list[tuple[Fraction, bool, Size]] = []
        current = list(initial)
        for at, _, exclusive, axis, side in thresholds:
            current[axis] = side
            if crossings and crossings[-1][:2] == (at, not exclusive):
                crossings.pop()
            crossings.append((at, not exclusive, Size(*current)))
        return initial, crossings
