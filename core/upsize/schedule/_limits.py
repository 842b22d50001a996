"""The most images that a batch may have: one number, or one for each size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from upsize.schedule._shown import shown
from upsize.schedule._size import Size, as_size, is_listed, require_whole_number

__all__ = ["LimitField", "Limits"]

# It bounds the time, since a plan may come from a file.
_MAX_LIMITS = 500

#: (size, images) pairs, fewest pixels first.
Limits: TypeAlias = tuple[tuple[Size, int], ...]


def _read(value: Any) -> int | Limits:
    """Return a limit as a number, or as (size, images) pairs, fewest pixels first."""
    pairs: Iterable[Any]
    if isinstance(value, Mapping):
        pairs = value.items()
    elif is_listed(value):  # as a file has it
        pairs = value
    else:
        return require_whole_number("limit", value)
    limits: dict[Size, int] = {}
    for pair in pairs:
        try:
            given, images = pair
            size = as_size(given)
        except (TypeError, ValueError) as error:
            raise ValueError(
                "limit must be images, or a mapping such as {112: 256, 160: 128}, not "
                f"{shown(value)}"
            ) from error
        if size in limits:
            raise ValueError(f"limit has the size {size} twice")
        if len(limits) == _MAX_LIMITS:
            raise ValueError(f"limit must have at most {_MAX_LIMITS:,} sizes")
        limits[size] = require_whole_number(f"limit at {size}", images)
    if not limits:
        raise ValueError("limit must have at least one size, not {}")
    return tuple(sorted(limits.items(), key=lambda each: (math.prod(each[0]), each)))


def _written(limit: Any) -> Any:
    """Return a limit as JSON has it."""
    if isinstance(limit, int):
        return limit
    return [[list(size), images] for size, images in limit]


LimitField = Annotated[
    int | Mapping[Any, int] | Limits, PlainValidator(_read), PlainSerializer(_written)
]
