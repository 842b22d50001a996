"""The size of the sample that is being made, for the code that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from upsize.schedule import Size

__all__ = ["SampleSize", "current_size", "sample_size"]


class SampleSize(NamedTuple):
    """Size of a sample, and the full size of the plan."""

    size: Size
    full: Size


_CURRENT: ContextVar[SampleSize | None] = ContextVar("upsize_sample_size", default=None)


def current_size() -> SampleSize | None:
    """Return the size of the current sample; ``None``: full size."""
    return _CURRENT.get()


@contextmanager
def sample_size(size: Size, full: Size) -> Iterator[None]:
    """Set the size of the samples that are made inside.

    Example:
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     current_size().size
        Size(height=112, width=112)
        >>> current_size() is None
        True
    """
    token = _CURRENT.set(SampleSize(size, full))
    try:
        yield
    finally:
        _CURRENT.reset(token)
