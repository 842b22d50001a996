"""Explicit sizes at explicit moments, as in DAWNBench's schedules."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from upsize.schedule._base import Schedule
from upsize.schedule._moment import (
    IncreaseMode,
    Moment,
    check_increase_mode,
    parse_moment,
    position,
)
from upsize.schedule._run import RunLength
from upsize.schedule._shown import shown
from upsize.schedule._sides import InitialSize, check_fits, exact_size
from upsize.schedule._size import (
    MAX_RESIZES,
    Multiple,
    Pixels,
    Size,
    as_size,
    is_listed,
)

__all__ = ["Phases"]


def _check_phases(value: Any) -> Any:
    """Refuse an empty list, and items that are not (when, size) pairs."""
    if not is_listed(value) or not value:
        raise ValueError(
            f"must be a list of (when, size) pairs, such as [(0, 128), (10, 224)], not "
            f"{shown(value)}"
        )
    if len(value) > MAX_RESIZES:
        raise ValueError(f"must be at most {MAX_RESIZES:,} pairs, not {len(value):,}")
    for pair in value:
        if not is_listed(pair) or len(pair) != 2:
            raise ValueError(f"must hold (when, size) pairs, not {shown(pair)}")
    return [tuple(pair) for pair in value]


class Phases(Schedule):
    """Train at given sizes from given moments on.

    Args:
        phases: (when, size) pairs. A moment is a share of training as a float, an
            epoch counted from 0 as an int, or a string such as ``"10ep"``,
            ``"500st"``, ``"50%"`` or ``"1/3"``; the first is 0 and they ascend. A
            size is a share of ``final_size`` as a float in (0, 1], rounded down to
            ``multiple_of``, or pixels, the longer side as an int or (height, width);
            sizes never shrink.
        final_size: Full size in pixels, one side or (height, width). ``None``: the
            last phase's size if that is in pixels, else given to :meth:`plan`. The last
            phase must have this size.
        multiple_of: Every size is a multiple of this, one number or (height, width).
        increase_mode: ``"batch"``: a phase may begin at any step; ``"epoch"``: only
            before an epoch, to which its moment is truncated.

    Raises:
        pydantic.ValidationError: For a value that is not allowed; the error names the
            field, the value and what is allowed.

    Example:
        >>> schedule = Phases(phases=[(0, 128), (14, 224), (32, 288)])
        >>> for start, stop, size in schedule.plan(
        ...     epochs=35, steps_per_epoch=100
        ... ).stages:
        ...     print(start, stop, size)
        0 1400 128x128
        1400 3200 224x224
        3200 3500 288x288
    """

    kind: Literal["phases"] = "phases"
    phases: Annotated[
        tuple[tuple[Moment, InitialSize], ...], BeforeValidator(_check_phases)
    ]
    final_size: Pixels | None = None
    multiple_of: Multiple = 1
    increase_mode: IncreaseMode = IncreaseMode.Batch

    _check_mode = field_validator("increase_mode", mode="before")(check_increase_mode)

    @model_validator(mode="after")
    def _check(self) -> Self:
        first = self.phases[0][0]
        if parse_moment(first).value != 0:
            raise ValueError(f"the first of phases must begin at 0, not {shown(first)}")
        for (before, _), (after, _) in pairwise(self.phases):
            a, b = parse_moment(before), parse_moment(after)
            if a.unit == b.unit and b.value <= a.value:
                raise ValueError(
                    f"phases must ascend: {shown(after)} does not come after "
                    f"{shown(before)}"
                )
        if (final := self.full_size()) is not None:
            self._sizes(final)
        return self

    def _own_full_size(self) -> Size | None:
        """Return ``final_size``, or the last phase's size if it is in pixels."""
        if self.final_size is not None:
            return as_size(self.final_size)
        last = self.phases[-1][1]
        return None if isinstance(last, float) else as_size(last)

    def changes(self, run: RunLength, final: Size) -> list[tuple[int, Size]]:
        """Return the (step, size) changes of a run, ascending, the first at 0."""
        positions = [position("phases", when, run) for when, _ in self.phases]
        for (a, b), (before, after) in zip(
            pairwise(positions), pairwise(self.phases), strict=True
        ):
            if b < a:
                raise ValueError(
                    f"phases must ascend: in a run of {run.total_steps} steps "
                    f"{shown(after[0])} comes before {shown(before[0])}"
                )
        steps = [math.ceil(at) for at in positions]
        if self.increase_mode is IncreaseMode.Epoch:
            length = run.epoch_length('increase_mode="epoch"')
            steps = [math.floor(at / length) * length for at in positions]
        return list(zip(steps, self._sizes(final), strict=True))

    def _sizes(self, final: Size) -> list[Size]:
        """Return the size of each phase, or raise if one does not fit."""
        multiple = as_size(self.multiple_of)
        check_fits("final_size", final, multiple)
        sizes = [exact_size("phases", spec, final, multiple) for _, spec in self.phases]
        for before, after in pairwise(sizes):
            if after.height < before.height or after.width < before.width:
                raise ValueError(
                    f"phases must never shrink: {tuple(after)} comes after "
                    f"{tuple(before)}"
                )
        if sizes[-1] != final:
            raise ValueError(
                f"the last of phases trains at {tuple(sizes[-1])}, not at "
                f"final_size={tuple(final)}: add a phase of that size"
            )
        return sizes
