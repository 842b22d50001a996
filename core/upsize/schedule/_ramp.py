"""The reference's schedule: a fixed number of pixels per resize, exactly timed."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, model_validator

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
    longer_axis,
)
from upsize.schedule._size import Multiple, Pixels, Size, WholeNumber, as_size

__all__ = ["Ramp"]


def _check_max_sizes(value: Any) -> int | None:
    if value is None or (type(value) is int and value >= 2):
        return value
    raise ValueError(f"must be a whole number of at least 2, or None, not {value!r}")


MaxSizes = Annotated[int | None, BeforeValidator(_check_max_sizes)]


class _Resizes(NamedTuple):
    """The longer side after each resize, when each happens, the time between two."""

    sides: list[int]
    positions: list[Fraction]  # in steps
    every: Fraction | None  # in steps; None for one resize at any step


def _batch_resizes(
    initial: int, final: int, by: int, start: Fraction, finish: Fraction
) -> _Resizes:
    """Space the resizes evenly from start to finish; the last may be a short one."""
    n = -(-(final - initial) // by)
    every = (finish - start) / (n - 1) if n > 1 else None
    return _Resizes(
        [min(initial + by * (k + 1), final) for k in range(n)],
        [start + k * (every or 0) for k in range(n)],
        every,
    )


def _epoch_resizes(
    initial: int, final: int, by: int, start: int, finish: int, epoch_length: int
) -> _Resizes:
    """Space the resizes by whole epochs, the last one before epoch ``finish``.

    The increment grows from ``by`` in steps of 2 until it divides the difference
    into no more resizes than there are epochs; else increments are as equal as
    integers allow.
    """
    difference, room = final - initial, max(finish - start, 1)
    most = min(room, difference // by)
    n = next(
        (
            n
            for n in range(most, 0, -1)
            if difference % n == 0 and (difference // n - by) % 2 == 0
        ),
        min(room, -(-difference // by)),
    )
    every = max(1, room // n)
    return _Resizes(
        [initial + difference * (k + 1) // n for k in range(n)],
        [Fraction((finish - (n - 1 - k) * every) * epoch_length) for k in range(n)],
        Fraction(every * epoch_length) if finish > start else None,
    )


class Ramp(BaseSchedule):
    """Grow by the same number of pixels at evenly spaced moments.

    The schedule of fastxtend's ``ProgressiveResize``, with its names and defaults.

    Args:
        initial_size: Size of the first stage: a share of ``final_size`` as a float in
            (0, 1], truncated to a pixel and then down to ``multiple_of`` (0.7 of 224
            is 156), or pixels: the longer side as an int, or (height, width) of the
            aspect ratio of ``final_size``.
        final_size: Full size in pixels, one side or (height, width). ``None``: given
            to :meth:`plan`, or found by an adapter.
        start: When the first resize happens: a share of training as a float, an epoch
            counted from 0 as an int, or a string such as ``"10ep"``, ``"500st"``,
            ``"50%"`` or ``"1/3"``.
        finish: When the last resize happens, in the same units. At 1.0 or later the
            full size is never reached, and the plan warns.
        increase_by: Pixels per resize of the longer side, at least 1; the last resize
            is a short one where the division leaves a rest. In epoch mode the least:
            it grows in steps of 2 until it divides the difference into no more
            resizes than there are epochs between ``start`` and ``finish``.
        increase_mode: ``"batch"``: at any step; ``"epoch"``: only before an epoch, a
            share being truncated to an epoch.
        multiple_of: Every size is rounded down to a multiple of this, one number or
            (height, width): 32 for a U-Net, the patch size for a ViT. ``final_size``
            and an ``initial_size`` in pixels must fit it.
        max_sizes: At most this many distinct sizes, at least 2; raises
            ``increase_by`` until that holds. For torch.compile and cuDNN, which pay
            for each new size.

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is.

    Note:
        From I to F pixels there are N = ceil((F - I) / increase_by) resizes. In batch
        mode resize k happens at the first step n with
        n / total >= start + k (finish - start) / (N - 1), in exact arithmetic. In
        epoch mode they happen every max(1, M // N) epochs, the last at ``finish``,
        with M the epochs from ``start`` to ``finish``. Source: fastxtend 0.1.7,
        callback/progresize.

    Example:
        >>> plan = Ramp(final_size=224, increase_by=56).plan(total_steps=1000)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 500 112x112
        500 750 168x168
        750 1000 224x224
    """

    kind: Literal["ramp"] = "ramp"
    initial_size: InitialSize = 0.5
    final_size: Pixels | None = None
    start: Moment = 0.5
    finish: Moment = 0.75
    increase_by: WholeNumber = 4
    increase_mode: IncreaseMode = IncreaseMode.Batch
    multiple_of: Multiple = 1
    max_sizes: MaxSizes = None

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
        growth = self._growth(run, final)
        return [
            (0, growth.initial),
            *zip(map(math.ceil, growth.positions), growth.sizes, strict=True),
        ]

    def describe(self, run: Run, final: Size) -> str:
        """Return the reference's two sentences."""
        return describe_growth(self._growth(run, final), run, self.increase_mode)

    def _initial(self, final: Size) -> Size:
        """Return the first size, or say why there is none."""
        multiple = as_size(self.multiple_of)
        check_fits("final_size", final, multiple)
        side = math.floor(exact_longer(self.initial_size, final, multiple))
        # The ramp starts from the rounded side, which the other one then follows.
        longer = follow(side, final, multiple)[longer_axis(final)]
        initial = follow(longer, final, multiple)
        check_some_pixel("initial_size", self.initial_size, initial, final, multiple)
        return initial

    def _growth(self, run: Run, final: Size) -> Growth:
        """Return the resizes of a run, with ``increase_by`` raised for max_sizes."""
        initial = self._initial(final)
        multiple, axis = as_size(self.multiple_of), longer_axis(final)
        first, last = initial[axis], final[axis]
        start, finish = ordered_positions(self.start, self.finish, run)
        by = self.increase_by
        while True:
            if first == last:
                resizes = _Resizes([], [], None)
            elif self.increase_mode is IncreaseMode.Batch:
                resizes = _batch_resizes(first, last, by, start, finish)
            else:
                length = run.epoch_length('increase_mode="epoch"')
                resizes = _epoch_resizes(
                    first, last, by, int(start / length), int(finish / length), length
                )
            sizes = [follow(side, final, multiple) for side in resizes.sides]
            if self.max_sizes is None or len({initial, *sizes}) <= self.max_sizes:
                return Growth(initial, sizes, resizes.positions, resizes.every)
            by += 1
