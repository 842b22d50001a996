"""The size of the sample that is being made, for the code that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from upsize.loading._making import Making
from upsize.schedule import Size

__all__ = ["SampleSize", "current_size", "sample_size"]


class SampleSize(NamedTuple):
    """Size of a sample, and the full size of the plan.

    Args:
        size: (height, width) in pixels that the sample should have.
        full: (height, width) in pixels at full size.

    Example:
        >>> sample = SampleSize(Size(112, 112), full=Size(224, 224))
        >>> sample.size.height / sample.full.height
        0.5
    """

    size: Size
    full: Size


_MAKING = Making[SampleSize]("upsize_sample_size")


def current_size() -> SampleSize | None:
    """Return the size of the current sample; ``None``: full size.

    It is set while the dataset makes the samples of a batch and while ``collate_fn``
    collates them. Threads that the dataset starts see it as well, unless two loaders
    make batches of different sizes in this process at that moment.

    A cache of decoded images must have it in its key: an image that is kept at the size
    of one step is wrong for another.

    Example:
        >>> current_size() is None
        True
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     size, full = current_size()
        >>> print(size, full)
        112x112 224x224
    """
    sizes = _MAKING.visible()
    return next(iter(sizes)) if len(sizes) == 1 else None


@contextmanager
def sample_size(size: Size, full: Size) -> Iterator[None]:
    """Set the size of the samples that are made inside.

    Args:
        size: (height, width) in pixels that the samples should have.
        full: (height, width) in pixels at full size.

    Example:
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     current_size().size
        Size(height=112, width=112)
        >>> current_size() is None
        True
    """
    with _MAKING.of(SampleSize(size, full)):
        yield
