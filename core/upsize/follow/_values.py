"""The values of regularization at each step of a plan."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, get_args

from upsize.schedule import Plan

__all__ = ["By", "ValueSchedule", "Values", "check_by", "check_values"]

By: TypeAlias = Literal["size", "stage"]
Values: TypeAlias = Mapping[str, tuple[float, float]]


def _number(value: Any) -> int | float | None:
    """Return a finite number as a Python int or float; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    if isinstance(value, Integral):
        return int(value)
    return float(value) if math.isfinite(value) else None


def check_values(values: Any) -> dict[str, tuple[float, float]]:
    """Return a copy of a mapping of names to (first, last) numbers, or refuse it."""
    if not isinstance(values, Mapping) or not values:
        raise ValueError(
            "values must map names to (first, last) numbers, such as "
            f'{{"dropout": (0.1, 0.3)}}, not {values!r}'
        )
    checked: dict[str, tuple[float, float]] = {}
    for name, pair in values.items():
        ends = [_number(end) for end in pair] if isinstance(pair, tuple | list) else []
        if not isinstance(name, str) or len(ends) != 2 or None in ends:
            raise ValueError(
                f"values[{name!r}] must be a (first, last) pair of finite numbers, "
                f"such as (0.1, 0.3), not {pair!r}"
            )
        first, last = ends
        assert first is not None
        assert last is not None
        checked[name] = first, last
    return checked


def check_by(by: Any) -> None:
    """Refuse an unknown ``by``."""
    if by not in get_args(By):
        raise ValueError(f'by must be "size" or "stage", not {by!r}')


def _between(first: float, last: float, share: Fraction) -> float:
    """Interpolate exactly; between two ints to the nearest int."""
    exact = Fraction(str(first)) + (Fraction(str(last)) - Fraction(str(first))) * share
    if isinstance(first, int) and isinstance(last, int):
        return round(exact)
    return float(exact)


@dataclass(frozen=True)
class ValueSchedule:
    """The values of regularization at each step of a plan.

    Args:
        plan: The plan.
        values: For each name a (first, last) pair: its value at the smallest size and
            at the largest. Between two ints values are ints, rounded half to even, as
            RandAugment's magnitude requires.
        by: What the values follow: "size", the longer side in pixels, or "stage", the
            number of the stage.

    Raises:
        ValueError: For values that are not such pairs, or an unknown ``by``.

    Note:
        By "size", a value at s pixels is first + (last - first) (s - a) / (b - a), with
        a the smallest and b the largest longer side of the plan. By "stage", a value in
        stage i of M, from 0, is first + (last - first) i / (M - 1). A plan of one size,
        or one stage, has the last value. Source: EfficientNetV2 (arXiv:2104.00298),
        Algorithm 1, whose sizes and values are both linear in the stage, so that both
        agree with it; they differ if stages grow by unequal steps.

    Example:
        >>> from upsize.schedule import presets
        >>> plan = presets.efficientnetv2("m").plan(total_steps=400)
        >>> follow = ValueSchedule(plan, {"mixup": (0.0, 0.2), "randaugment": (5, 15)})
        >>> for start, stop, size in plan.stages:
        ...     print(size, follow.at(start))
        192x192 {'mixup': 0.0, 'randaugment': 5}
        256x256 {'mixup': 0.06666666666666667, 'randaugment': 8}
        320x320 {'mixup': 0.13333333333333333, 'randaugment': 12}
        384x384 {'mixup': 0.2, 'randaugment': 15}
    """

    plan: Plan
    values: Values
    by: By = "size"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", check_values(self.values))
        check_by(self.by)

    @cached_property
    def _sides(self) -> tuple[int, int]:
        sides = [max(size) for size in self.plan.sizes]
        return min(sides), max(sides)

    @cached_property
    def _starts(self) -> list[int]:
        return [stage.start for stage in self.plan.stages]

    def at(self, step: int) -> dict[str, float]:
        """Return the value of each name at a step.

        Args:
            step: Number of the step, from 0; after the end the last stage continues.

        Raises:
            ValueError: When ``step`` is negative.
        """
        share = self._share(step)
        return {name: _between(*ends, share) for name, ends in self.values.items()}

    def _share(self, step: int) -> Fraction:
        """Return how far a step is from the first value to the last, in [0, 1]."""
        side = max(self.plan.size_at(step))
        if self.by == "size":
            small, large = self._sides
            return (
                Fraction(side - small, large - small) if large > small else Fraction(1)
            )
        last = len(self._starts) - 1
        stage = bisect_right(self._starts, step) - 1
        return Fraction(stage, last) if last else Fraction(1)
