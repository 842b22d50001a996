"""The sizes that a multi-scale schedule draws from: a list, or a range in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator

from upsize.schedule._shown import shown
from upsize.schedule._sides import InitialSize
from upsize.schedule._size import MAX_RESIZES, is_listed, whole_number

__all__ = ["DrawnSizes"]

_BOUNDS = ("low", "high", "step")


def _range_of(value: Mapping[Any, Any]) -> range:
    """Return a range in pixels, which has its upper bound."""
    bounds = []
    if value.keys() == set(_BOUNDS):
        with suppress(ValueError):
            bounds = [whole_number(value[name]) for name in _BOUNDS]
    if not bounds or bounds[0] > bounds[1] or (bounds[1] - bounds[0]) % bounds[2]:
        raise ValueError(
            "a range must be {low, high, step} in pixels, in steps from low up to "
            "exactly high, such as {low: 480, high: 800, step: 32}, not "
            f"{shown(value)}"
        )
    low, high, step = bounds
    return range(low, high + 1, step)


def _check(value: Any) -> tuple[Any, ...]:
    """Expand a range, and refuse what is not a list of sizes."""
    sizes = _range_of(value) if isinstance(value, Mapping) else value
    if not (isinstance(sizes, range) or is_listed(sizes)) or not sizes:
        raise ValueError(
            "must be a list of sizes, such as [160, 192, 224], or a range, such as "
            "range(480, 801, 32) or {low: 480, high: 800, step: 32}, not "
            f"{shown(value)}"
        )
    if sizes[MAX_RESIZES:]:
        raise ValueError(
            f"must be at most {MAX_RESIZES:,} sizes, not {shown(sizes)}: use a larger "
            "step"
        )
    return tuple(sizes)


DrawnSizes = Annotated[tuple[InitialSize, ...], BeforeValidator(_check)]
