"""Which small copies of images to make, and how large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from upsize.schedule import Plan, Size
from upsize.schedule._size import as_size, require_whole_number

__all__ = ["STRICT", "CopySettings", "copy_settings", "copy_size", "sizes_of"]

#: For what is read from a store: types are not converted, and no field is new.
STRICT = ConfigDict(strict=True, extra="forbid")

# The flattest or steepest crop that RandomResizedCrop draws: height to width, 3 to 4.
_LEAST_RATIO = 3 / 4
# A copy with more of the original's pixels than this saves less than it takes on disk.
_MOST_PIXELS = 0.75


_LONGEST_SIDE, _MOST_SIZES = 65_536, 100


def _bounded(size: Size) -> Size:
    if not all(1 <= side <= _LONGEST_SIDE for side in size):
        raise ValueError(f"sides must be from 1 to {_LONGEST_SIDE} pixels, not {size}")
    return size


_Size: TypeAlias = Annotated[Size, AfterValidator(_bounded)]


@dataclass(frozen=True, config=STRICT)
class CopySettings:
    """What all copies in a store have in common.

    Args:
        sizes: Sizes of samples to make a copy for, the smallest first.
        full: The full size.
        least_scale: Least share of an image's area that a crop takes.
        quality: Quality of JPEG, 1 to 95.
    """

    sizes: Annotated[tuple[_Size, ...], Field(min_length=1, max_length=_MOST_SIZES)]
    full: _Size
    least_scale: Annotated[float, Field(gt=0, le=1)]
    quality: Annotated[int, Field(ge=1, le=95)]


def copy_size(image: Size, size: Size, settings: CopySettings) -> Size | None:
    """Return how large the copy of an image is that serves samples of a size.

    The smallest crop of the image is the one that is enlarged most. Its shorter side is
    that of the image times sqrt(3/4 least_scale), or more. At full size it is enlarged
    to the full size, where it is smaller; so may the copy's crop be, by as much and no
    more.

    Args:
        image: Size of the original.
        size: Size of the samples.
        settings: Those of the copies.

    Returns:
        The copy's size, in the aspect ratio of the original and rounded up; ``None``
        where it would have more than three quarters of the original's pixels.

    Example:
        >>> sizes, full = (Size(112, 112),), Size(224, 224)
        >>> settings = CopySettings(sizes, full, least_scale=0.08, quality=90)
        >>> print(copy_size(Size(375, 500), sizes[0], settings))  # half, as the sample
        188x250
        >>> print(copy_size(Size(1500, 2000), sizes[0], settings))  # crops of 367 and more
        458x610
    """
    crop = min(image) * math.sqrt(_LEAST_RATIO * settings.least_scale)
    share = max(
        side / max(crop, full) for side, full in zip(size, settings.full, strict=True)
    )
    # A rounding error of the quotient must not add a pixel.
    copy = Size(*(math.ceil(round(share * side, 6)) for side in image))
    if math.prod(copy) > _MOST_PIXELS * math.prod(image):
        return None
    return copy


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
    steps = dict.fromkeys(small, Fraction(0))
    for stage in plan.stages:
        for size, share in stage.weights.items():
            if size != full:
                steps[size] += (stage.stop - stage.start) * share
    # Steps of the sizes before each.
    before = [sum(steps[size] for size in small[:n]) for n in range(len(small) + 1)]

    @cache
    def best(start: int, left: int) -> tuple[Fraction, tuple[Size, ...]]:
        """Return the pixels to read and the copies, for the sizes from ``start`` on."""
        rest = Fraction(before[-1] - before[start]) * math.prod(full)
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


def copy_settings(
    plan: Plan | None,
    sizes: Sequence[int | tuple[int, int]] | None,
    full: int | tuple[int, int] | None,
    most: int,
    least_scale: float,
    quality: int,
) -> CopySettings:
    """Check and put together what :func:`small_copies` was given.

    Raises:
        ValueError: For what is missing, double or out of range; names it.
    """
    if not 0 < least_scale <= 1:
        raise ValueError(
            "least_scale must be a share of the image's area, above 0 and up to 1, as "
            f"the 0.08 of RandomResizedCrop, not {least_scale!r}"
        )
    if require_whole_number("quality", quality) > 95:
        raise ValueError(f"quality must be from 1 to 95, not {quality!r}")
    if plan is not None:
        if sizes is not None or full is not None:
            raise ValueError("plan has the sizes already: leave out sizes and full")
        target, small = (
            plan.final_size,
            sizes_of(plan, require_whole_number("most", most)),
        )
        if not small:
            raise ValueError(f"no size of the plan is below its full size {target}")
        return CopySettings(small, target, least_scale, quality)
    if not sizes or full is None:
        raise ValueError("give a plan, or the sizes and the full size")
    target = as_size(full)
    small = tuple(sorted({as_size(size) for size in sizes}))
    for size in small:
        if size == target or size.height > target.height or size.width > target.width:
            raise ValueError(f"sizes must be below the full size {target}, not {size}")
    return CopySettings(small, target, least_scale, quality)
