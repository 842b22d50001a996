"""How many micro-batches of an accumulation window are trained as one: pure numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from upsize.schedule import Size
from upsize.schedule._shown import shown
from upsize.schedule._size import as_size

__all__ = ["Merge", "MergeRule", "MicroBatch", "groups", "next_group"]

#: What users give as ``merge=``.
Merge = bool | int | Mapping[Any, int]


class MicroBatch(NamedTuple):
    """A forward and backward pass: one plain batch of the loader, or several merged.

    Attributes:
        batches: Plain batches that it holds.
        weight: Its share of an accumulation window, which its loss is multiplied by.
        ends_window: Whether the optimizer steps after it; ``None``: the framework knows.
    """

    batches: int = 1
    weight: float = 1.0
    ends_window: bool | None = None


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


def groups(window: int, most: int) -> Iterator[int]:
    """Yield how many batches each micro-batch of a window holds, as equal as possible.

    Args:
        window: Batches of the window.
        most: Batches that a micro-batch holds at most, at least 1.

    Example:
        >>> list(groups(8, 3)), list(groups(8, 4)), list(groups(3, 8))
        ([3, 3, 2], [4, 4], [3])
    """
    while window > 0:
        group = next_group(window, most)
        yield group
        window -= group


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
            given_at = {_size_of(size): images for size, images in limit.items()}
            sizes = dict(
                sorted(
                    given_at.items(), key=lambda each: each[0].height * each[0].width
                )
            )
            object.__setattr__(self, "limit", sizes)
            given = list(sizes.values())
        else:
            given = [limit]
        for images in given:
            if not hasattr(images, "__index__"):  # also of NumPy
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


def _size_of(size: Any) -> Size:
    return size if isinstance(size, Size) else as_size(size)
