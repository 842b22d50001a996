"""Resample the pixels of a crop with torch, into their place in a batch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

from upsize.resize._interpolate import Mode, interpolate
from upsize.schedule import Size

__all__ = [
    "INTERPOLATIONS",
    "Box",
    "flip",
    "planes_of",
    "resample",
    "resampled",
]

_C: Any = torch._C

#: (top, left, height, width) in pixels that are there.
Box: TypeAlias = tuple[int, int, int, int]

INTERPOLATIONS: dict[str, Mode] = {"bilinear": "bilinear", "bicubic": "bicubic"}


def planes_of(pixels: Tensor, box: Box) -> Tensor:
    """Return a part of an image as (1, 3, height, width), a view where that is best.

    Args:
        pixels: uint8 (H, W, 3), as decoded.
        box: The part.
    """
    (top, left, height, width), (down, across, colour) = box, pixels.stride()
    # torch's kernel for channels_last, which it tells by 4-D strides, is the fastest.
    part = pixels.as_strided(
        (1, 3, height, width),
        (down * height, colour, down, across),
        pixels.storage_offset() + top * down + left * across,
    )
    if colour:
        return part
    # Grey, for which it takes twice as long.
    return part.contiguous(memory_format=torch.channels_last)


def resampled(planes: Tensor, size: Size, interpolation: str) -> Tensor:
    """Return the pixels, resampled with antialiasing.

    Args:
        planes: What :func:`planes_of` returned.
        size: The new size.
        interpolation: A key of :data:`INTERPOLATIONS`.
    """
    return interpolate(planes, size, INTERPOLATIONS[interpolation], antialias=True)


def resample(planes: Tensor, size: Size, interpolation: str, out: Tensor) -> None:
    """Resample pixels into a place in a batch.

    Args:
        planes: What :func:`planes_of` returned.
        size: The size of that place.
        interpolation: A key of :data:`INTERPOLATIONS`.
        out: uint8 (1, 3, height, width), in any order of memory.
    """
    kernel = _kernel(interpolation)
    # The kernel cannot make one pixel.
    if kernel is None or planes.shape == out.shape or size == (1, 1):
        out.copy_(resampled(planes, size, interpolation))
    else:
        kernel(planes, size, False, None, None, out=out)


@lru_cache
def _kernel(interpolation: str) -> Any:
    """Return what torch's ``interpolate`` calls; ``None``: this torch has another one.

    That takes no place to write to. To give its kernel one saves a tenth of the time of
    a small image.
    """
    pixels = torch.arange(105, dtype=torch.uint8, device="cpu").view(7, 5, 3) * 7
    planes, size = planes_of(pixels, (0, 0, 7, 5)), Size(3, 9)
    out = torch.zeros(1, *size, 3, dtype=torch.uint8, device="cpu").permute(0, 3, 1, 2)
    try:
        kernel = getattr(_C._nn, f"_upsample_{interpolation}2d_aa")
        kernel(planes, size, False, None, None, out=out)
    except (AttributeError, TypeError, RuntimeError):
        return None
    return kernel if torch.equal(out, resampled(planes, size, interpolation)) else None


def flip(image: Tensor) -> None:
    """Swap left and right of (..., height, width), in place."""
    image.copy_(image.flip(-1))
