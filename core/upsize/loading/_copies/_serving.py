"""Which copies of a store serve a sample, and how large each must be."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from upsize.loading._context import SampleSize
from upsize.loading._copies._settings import CopySettings, base_size, copy_size
from upsize.schedule import Size

__all__ = ["Expected", "Serving"]

# Distinct sizes of originals that are remembered.
_MOST_SIZES = 1 << 14


class Expected(NamedTuple):
    """The size of a copy of an original, ``None`` for none, and that of its base."""

    copy: Size | None
    base: Size


class Serving:
    """What the settings of a store say, worked out once for each size.

    Args:
        settings: Those of the copies.

    Example:
        >>> settings = CopySettings((Size(112, 112),), Size(224, 224), 0.08, 90)
        >>> serving = Serving(settings)
        >>> serving.sizes(SampleSize(Size(96, 96), Size(224, 224)))
        (Size(height=112, width=112),)
        >>> serving.expected(Size(375, 500), Size(112, 112)).copy
        Size(height=188, width=250)
    """

    def __init__(self, settings: CopySettings) -> None:
        self.settings = settings
        self.sizes = lru_cache(_MOST_SIZES)(self._sizes)
        self.expected = lru_cache(_MOST_SIZES)(self._expected)

    def _sizes(self, sample: SampleSize | None) -> tuple[Size, ...]:
        """Return the sizes whose copies cover a sample; ``None``: one of the full size."""
        settings = self.settings
        if sample is None:
            sample = SampleSize(settings.full, settings.full)
        (height, width), (full_height, full_width) = settings.full, sample.full
        return tuple(
            size
            for size in settings.served
            if size.height * full_height >= sample.size.height * height
            and size.width * full_width >= sample.size.width * width
        )

    def _expected(self, original: Size, size: Size) -> Expected:
        """Return how large the copy for samples of a size must be."""
        settings = self.settings
        return Expected(
            copy_size(original, size, settings), base_size(original, settings)
        )
