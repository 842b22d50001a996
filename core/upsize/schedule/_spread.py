"""Pick some of many items, evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["spread"]

Item = TypeVar("Item")


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most ``most`` of the items, evenly spread from first to last.

    Args:
        items: Items in order.
        most: Largest number of items to return, at least 2.

    Example:
        >>> spread(range(10), 4), spread("ab", 4)
        ([0, 3, 6, 9], ['a', 'b'])
    """
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(number * step)] for number in range(most)]
