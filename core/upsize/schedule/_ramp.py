"""The reference's schedule: a fixed number of pixels per resize, exactly timed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, field_validator, model_validator

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
from upsize.schedule._shown import shown
from upsize.schedule._sides import (
    InitialSize,
    check_fits,
    check_some_pixel,
    exact_longer,
    longer_axis,
    with_longer_side,
)
from upsize.schedule._size import (
    MAX_RESIZES,
    Multiple,
    Pixels,
    Size,
    WholeNumber,
    as_size,
    whole_number,
)

__all__ = ["Ramp"]


def _check_max_sizes(value: Any) -> int | None:
    if value is None:
        return None
    with suppress(ValueError):
        if (sizes := int(whole_number(value))) >= 2:
            return sizes
    raise ValueError(
        f"must be a whole number of at least 2, or None, not {shown(value)}"
    )


MaxSizes = Annotated[int | None, BeforeValidator(_check_max_sizes)]


class _Climb(NamedTuple):
    """Growth from one longer side to another, in resizes of ``by`` pixels."""

    first: int
    last: int
    room: int | None  # epochs for the resizes; None in batch mode

    def count(self, by: int) -> int:
        """Return the number of resizes.

        In epoch mode the increment grows from ``by`` in steps of 2 until it divides the
        difference into at most as many resizes as there are epochs; if none does,
        increments are as equal as integers allow.
        """
        difference = self.last - self.first
        if self.room is None or difference == 0:
            return -(-difference // by)
        return next(
            (
                n
                for n in range(min(self.room, difference // by), 0, -1)
                if difference % n == 0 and (difference // n - by) % 2 == 0
            ),
            min(self.room, -(-difference // by)),
        )

    def sides(self, by: int) -> Iterator[int]:
        """Yield the longer side after each resize; in batch mode the last is short."""
        n = self.count(by)
        for k in range(1, n + 1):
            if self.room is None:
                yield min(self.first + by * k, self.last)
            else:
                yield self.first + (self.last - self.first) * k // n

    def least(self, by: int, most: int, final: Size, multiple: Size) -> int:
        """Return the smallest increment, at least ``by``, with few enough sizes."""
        # Without rounding to a multiple, n resizes make n + 1 sizes.
        enough = -(-(self.last - self.first) // (most - 1))
        step = multiple[longer_axis(final)]
        if self.room is None and (self.last - self.first) // step >= most:
            return max(by, enough)
        while by < enough and self.count(by) >= most:
            sizes = {with_longer_side(self.first, final, multiple)}
            for side in self.sides(by):
                sizes.add(with_longer_side(side, final, multiple))
                if len(sizes) > most:
                    break
            else:
                return by
            by += 1
        return by


class Ramp(Schedule):
    """Grow by the same number of pixels at evenly spaced moments.

    This is the schedule of fastxtend's ``ProgressiveResize``, with its parameters and
    defaults.

    Args:
        initial_size: Size of the first stage: a share of ``final_size`` as a float in
            (0, 1], truncated to a pixel and then down to ``multiple_of`` (0.7 of 224
            is 156), or pixels: the longer side as an int, or (height, width) with the
            aspect ratio of ``final_size``.
        final_size: Full size in pixels, one side or (height, width). ``None``: given
            to :meth:`plan`, or found by an adapter.
        start: When the first resize happens: a share of training as a float, an epoch
            counted from 0 as an int, or a string such as ``"10ep"``, ``"500st"``,
            ``"50%"`` or ``"1/3"``.
        finish: When the last resize happens, in the same units. At the end of training
            or later the full size is never reached, and the plan warns.
        increase_by: Pixels per resize of the longer side, at least 1; the last resize
            is shorter if the division leaves a remainder. In epoch mode the minimum: it
            grows in steps of 2 until it divides the difference into at most as many
            resizes as there are epochs between ``start`` and ``finish``.
        increase_mode: ``"batch"``: at any step; ``"epoch"``: only before an epoch, to
            which a share is truncated.
        multiple_of: Every size is rounded down to a multiple of this, one number or
            (height, width): 32 for a U-Net, the patch size for a ViT. ``final_size``
            and an ``initial_size`` in pixels must be multiples of it.
        max_sizes: Largest number of distinct sizes, at least 2; raises ``increase_by``
            until that holds. For torch.compile and cuDNN, where each new size costs
            time.

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is allowed.

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

    _check_mode = field_validator("increase_mode", mode="before")(check_increase_mode)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_order(self.start, self.finish)
        if (final := self.full_size()) is not None:
            self._initial(final)
        return self

    def changes(self, run: RunLength, final: Size) -> list[tuple[int, Size]]:
        """Return the (step, size) changes of a run, ascending, the first at 0."""
        growth = self._growth(run, final)
        return [
            (0, growth.initial),
            *zip(map(math.ceil, growth.positions), growth.sizes, strict=True),
        ]

    def describe(self, run: RunLength, final: Size) -> str:
        """Describe the schedule in one line."""
        return describe_growth(self._growth(run, final), run)

    def _initial(self, final: Size) -> Size:
        """Return the first size, or raise if it does not fit."""
        multiple = as_size(self.multiple_of)
        check_fits("final_size", final, multiple)
        side = math.floor(exact_longer(self.initial_size, final, multiple))
        # The ramp starts from the rounded side; the other side follows it.
        longer = with_longer_side(side, final, multiple)[longer_axis(final)]
        initial = with_longer_side(longer, final, multiple)
        check_some_pixel("initial_size", self.initial_size, initial, final, multiple)
        return initial

    def _growth(self, run: RunLength, final: Size) -> Growth:
        """Return the resizes of a run, with ``increase_by`` raised for max_sizes."""
        initial = self._initial(final)
        multiple, axis = as_size(self.multiple_of), longer_axis(final)
        start, finish = ordered_positions(self.start, self.finish, run)
        length, room = 1, None
        if self.increase_mode is IncreaseMode.Epoch and initial != final:
            length = run.epoch_length('increase_mode="epoch"')
            start, finish = (
                Fraction(int(start / length)),
                Fraction(int(finish / length)),
            )
            room = max(int(finish - start), 1)
        climb, by = _Climb(initial[axis], final[axis], room), self.increase_by
        if self.max_sizes is not None:
            by = climb.least(by, self.max_sizes, final, multiple)
        n = climb.count(by)
        if n > MAX_RESIZES:
            raise ValueError(
                f"increase_by={by} makes {n:,} resizes from {initial} to {final}, more "
                f"than {MAX_RESIZES:,}: raise it, or set max_sizes"
            )
        sizes = [with_longer_side(side, final, multiple) for side in climb.sides(by)]
        if room is None:
            every = (finish - start) / (n - 1) if n > 1 else None
            positions = [start + k * (every or 0) for k in range(n)]
        else:
            gap = max(1, room // n)
            every = Fraction(gap * length) if finish > start else None
            positions = [(finish - (n - 1 - k) * gap) * length for k in range(n)]
        return Growth(initial, sizes, positions, every)
