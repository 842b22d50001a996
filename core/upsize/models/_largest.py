"""The largest count whose bytes are within a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["extrapolate", "search"]

_TRIALS = 24


def extrapolate(
    measure: Callable[[int], int | None], limit: int, most: int
) -> tuple[int, int | None]:
    """Return the largest count whose bytes are within a limit, and its bytes.

    Bytes are taken to grow by the same amount with each of the count, as they do where
    only tensors with a batch dimension count.

    Args:
        measure: Bytes that a count needs; called with 2 and with 4.
        limit: Of the bytes.
        most: Of the count.

    Returns:
        A count of 0, and the bytes of 1, if not even one fits.

    Example:
        >>> extrapolate(lambda count: 100 + 10 * count, limit=155, most=1000)
        (5, 150)
    """
    two, four = measure(2), measure(4)
    if two is None or four is None:
        return 0, None
    fixed, double = 2 * two - four, four - two
    count = most if double <= 0 else min(most, 2 * (limit - fixed) // double)
    count = max(0, count)
    return count, fixed + max(1, count) * double // 2


def search(
    measure: Callable[[int], int | None], limit: int, most: int
) -> tuple[int, int | None]:
    """Return the largest count that was measured to be within a limit, and its bytes.

    Each count to try follows from the line through the two largest that were measured:
    the bytes of a device are nearly linear. Once the device had too few, it is half way
    between what fits and what does not.

    Args:
        measure: Bytes that a count needs; ``None``: more than there are.
        limit: Of the bytes.
        most: Of the count.

    Returns:
        A count of 0, and the bytes of 1 where they are known, if not even one fits.

    Example:
        >>> tried = []
        >>> def measure(count):
        ...     tried.append(count)
        ...     return 100 + 10 * count
        >>> search(measure, limit=155, most=1000), tried
        ((5, 150), [2, 4, 5])
    """
    points: dict[int, int] = {}
    fits, fails, count = 0, most + 1, min(2, most)
    exhausted = False
    for _ in range(_TRIALS):
        used = measure(count)
        if used is not None:
            points[count] = used
        if used is None or used > limit:
            fails = count
        else:
            fits = count
        exhausted = exhausted or used is None
        if exhausted:
            count = (fits + fails) // 2
        else:
            count = min(_next(points, count, limit), fails - 1)
        if count <= fits:
            break
    return fits, points.get(max(1, fits))


def _next(points: Mapping[int, int], count: int, limit: int) -> int:
    """Return the count at which the line through the largest points meets the limit."""
    if len(points) < 2:
        return 2 * count if points[count] <= limit else count // 2
    (low, low_bytes), (high, high_bytes) = sorted(points.items())[-2:]
    if high_bytes <= low_bytes:
        return 2 * high
    return high + (limit - high_bytes) * (high - low) // (high_bytes - low_bytes)
