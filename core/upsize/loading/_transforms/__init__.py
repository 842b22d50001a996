"""Find the transforms of a dataset that hold pixels, and set them for some samples."""

from __future__ import annotations

from upsize.loading._transforms._check import check_transforms
from upsize.loading._transforms._find import (
    PixelFinder,
    find_pixels,
    restoring_pixels,
    restoring_sizes,
)
from upsize.loading._transforms._taken import Pixels

__all__ = [
    "PixelFinder",
    "Pixels",
    "check_transforms",
    "find_pixels",
    "restoring_pixels",
    "restoring_sizes",
]
