"""The nearest working sizes, and the multiple that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import gcd

from upsize.schedule import Size

__all__ = ["candidates", "common_multiple", "distance", "nearest"]


def distance(a: Size, b: Size) -> int:
    """Return the distance of two sizes: pixels on the side that differs most."""
    return max(abs(a.height - b.height), abs(a.width - b.width))


def candidates(size: Size, reach: int) -> list[Size]:
    """List the sizes around ``size`` that fit a multiple from 2 to ``reach``.

    Both sides are rounded down, and up, to each multiple. Nearest first, without
    ``size`` itself.

    Example:
        >>> [str(size) for size in candidates(Size(100, 100), 16)][:6]
        ['99x99', '98x98', '102x102', '96x96', '104x104', '105x105']
    """
    found = set()
    for multiple in range(2, reach + 1):
        below = Size(*(side // multiple * multiple for side in size))
        above = Size(*(-(-side // multiple) * multiple for side in size))
        found |= {below, above}
    ordered = sorted(found - {size}, key=lambda other: (distance(size, other), other))
    return [other for other in ordered if min(other) >= 1]


def nearest(
    size: Size, works: Callable[[Size], bool], known: Iterable[Size], reach: int
) -> tuple[Size, ...]:
    """Return the nearest size below that works, and the nearest above.

    Args:
        size: A size that does not.
        works: Tries one.
        known: Sizes that are known to work, whatever their distance.
        reach: See :func:`candidates`.

    Returns:
        None, one or both of them, the smaller one first.
    """
    known = set(known)
    ordered = sorted(
        known.union(candidates(size, reach)),
        key=lambda other: (distance(size, other), other),
    )
    found: list[Size] = []
    for below in (True, False):
        for other in ordered:
            small, large = (other, size) if below else (size, other)
            inside = small.height <= large.height and small.width <= large.width
            if inside and (other in known or works(other)):
                found.append(other)
                break
    return tuple(found)


def common_multiple(tried: Mapping[Size, bool]) -> Size | None:
    """Return the multiple that tells sizes that work from those that do not.

    Args:
        tried: Sizes, and whether they work.

    Returns:
        The greatest common divisor of the heights, and of the widths, of two or more
        sizes that work, when no size that fails fits it.

    Example:
        >>> tried = {Size(96, 96): True, Size(100, 100): False, Size(112, 112): True}
        >>> common_multiple(tried)
        Size(height=16, width=16)
    """
    works = [size for size, ok in tried.items() if ok]
    fails = [size for size, ok in tried.items() if not ok]
    if len(works) < 2 or not fails:
        return None
    multiple = Size(*(gcd(*sides) for sides in zip(*works, strict=True)))
    fits = (h % multiple.height == 0 == w % multiple.width for h, w in fails)
    return None if any(fits) else multiple
