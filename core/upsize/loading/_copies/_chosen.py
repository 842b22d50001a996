"""The sizes of a plan that are worth a copy."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from upsize.schedule import Plan, Size

__all__ = ["sizes_of"]


def sizes_of(plan: Plan, most: int) -> tuple[Size, ...]:
    """Return the sizes of a plan that are worth a copy: fewest pixels read in all.

    Args:
        plan: The plan of the run.
        most: How many copies of an image there may be, at least 1.

    Returns:
        At most ``most`` sizes below the full one that cover those of the plan, the
        smallest first.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=16).plan(total_steps=2940)
        >>> [size.height for size in sizes_of(plan, most=2)]
        [112, 176]
    """
    full = plan.final_size
    # Random sizes come in any order, and by their probability.
    small = sorted({*plan.sizes} - {full}, key=lambda size: (math.prod(size), size))
    # The share of the images at the sizes before each.
    shares = plan.share_by_size
    before = [
        sum((shares[size] for size in small[:n]), Fraction(0))
        for n in range(len(small) + 1)
    ]

    @cache
    def best(start: int, left: int) -> tuple[Fraction, tuple[Size, ...]]:
        """Return the pixels to read and the copies, for the sizes from ``start`` on."""
        rest = (before[-1] - before[start]) * math.prod(full)
        choices: list[tuple[Fraction, tuple[Size, ...]]] = [(rest, ())]
        if left:
            for end in range(start, len(small)):
                # The last one, unless the aspect ratio of the sizes varies.
                copy = Size(*map(max, zip(*small[start : end + 1], strict=True)))
                if copy != full:
                    pixels, more = best(end + 1, left - 1)
                    read = (before[end + 1] - before[start]) * math.prod(copy)
                    choices.append((read + pixels, (copy, *more)))
        return min(choices)

    return best(0, most)[1]
