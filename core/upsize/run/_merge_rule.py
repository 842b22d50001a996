"""How many micro-batches of an accumulation window are trained as one: pure numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upsize.schedule import Size
from upsize.schedule._shown import shown
from upsize.schedule._size import as_size

__all__ = ["Merge", "MergeRule", "next_group"]

#: What users give as ``merge=``.
Merge = bool | int | Mapping[Any, int]


def next_group(left: int, most: int) -> int:
    """Return how many of the batches left in a window the next micro-batch holds.

    Args:
        left: Batches of the window that are not trained yet, at least 1.
        most: Batches that a micro-batch holds at most, at least 1.

    Example:
        >>> next_group(8, 3), next_group(5, 3), next_group(2, 3)
        (3, 3, 2)
    """
    return -(-left // -(-left // most))


@dataclass(frozen=True)
class MergeRule:
    """Says how many batches of a size are merged: what a user gave as ``merge=``.

    Args:
        limit: ``True``: as many as have no more pixels than one batch at full size. A
            number: the same, and at most so many images. ``{size: images}``: at most so
            many images at each size, however many pixels they have. A size that is not
            in it has the limit of the next larger one; above the largest, nothing is
            merged.

    Raises:
        TypeError: When it is something else.
        ValueError: When a number of images is below 1.

    Example:
        >>> full = Size(64, 64)
        >>> MergeRule(True).most(Size(32, 32), full, 16)
        4
        >>> MergeRule(40).most(Size(32, 32), full, 16)
        2
    """

    limit: Merge

    def __post_init__(self) -> None:
        limit = self.limit
        if isinstance(limit, Mapping):
            sizes = _limits(limit)
            object.__setattr__(self, "limit", sizes)
            given = list(sizes.values())
        else:
            given = [limit]
        for images in given:
            is_bool = isinstance(images, bool) and images is not limit
            if is_bool or not hasattr(images, "__index__"):  # also of NumPy
                raise TypeError(
                    "merge must be True, the most images in a micro-batch, or "
                    f"{{size: images}}, not {shown(limit)}"
                )
            if images < 1:
                raise ValueError(
                    f"merge={shown(limit)} allows {images} images in a micro-batch: "
                    "give at least those of one batch of the loader"
                )

    @property
    def has_limit(self) -> bool:
        """Whether the number of images in a batch matters."""
        return self.limit is not True

    def most(self, size: Size, full: Size, images: int) -> int:
        """Return how many batches a micro-batch holds at most.

        Args:
            size: The size of the step.
            full: The full size.
            images: Images in one batch of the loader; of no matter without a limit.

        Raises:
            ValueError: When one batch is above the limit.
        """
        limit: Any = self.limit
        fit = max(full.height * full.width // (size.height * size.width), 1)
        if limit is True:
            return fit
        if isinstance(limit, Mapping):
            pixels = size.height * size.width
            above = [
                most for (high, wide), most in limit.items() if high * wide >= pixels
            ]
            if not above:
                return 1
            limit = above[0]
            fit = limit // images
        if images > limit:
            raise ValueError(
                f"merge= allows {limit} images in a micro-batch of {size}, and one batch "
                f"of the loader has {images}: give at least {images}, or a loader with "
                "smaller batches and a larger accumulate"
            )
        return min(fit, int(limit) // images)


def _limits(given: Mapping[Any, Any]) -> dict[Size, Any]:
    """Return the images at each size, fewest pixels first."""
    limits: dict[Size, Any] = {}
    for size, images in given.items():
        try:
            sides = as_size(size)
        except ValueError as error:
            raise ValueError(f"merge={shown(given)}: a size {error}") from error
        if sides in limits:
            raise ValueError(f"merge={shown(given)} has the size {sides} twice")
        limits[sides] = images
    if not limits:
        raise ValueError(
            "merge={} lists no size: give {size: images}, or False to merge nothing"
        )
    return dict(sorted(limits.items(), key=lambda each: math.prod(each[0])))
