"""Resample the pixels of a crop with torch, into their place in a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from upsize.resize._interpolate import Mode, interpolate
from upsize.schedule import Size

__all__ = ["INTERPOLATIONS", "flip", "planes_of", "resample", "resampled"]

INTERPOLATIONS: dict[str, Mode] = {"bilinear": "bilinear", "bicubic": "bicubic"}

# What torch's interpolate calls, which takes no place to write to: to give it one saves
# a tenth of the time of a small image.
_C: Any = torch._C
_KERNELS: dict[str, Any] = {
    name: getattr(_C._nn, f"_upsample_{name}2d_aa") for name in INTERPOLATIONS
}


def planes_of(pixels: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Return a part of an image as (1, 3, height, width), a view where that is best.

    Args:
        pixels: uint8 (H, W, 3), as decoded.
        top: The first row.
        left: The first column.
        height: How many rows.
        width: How many columns.
    """
    down, across, colour = pixels.stride()
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
    if tuple(planes.shape[2:]) == size or size == (1, 1):  # which that kernel cannot do
        out.copy_(resampled(planes, size, interpolation))
    else:
        _KERNELS[interpolation](planes, size, False, None, None, out=out)


def flip(image: Tensor) -> None:
    """Swap left and right of (..., height, width), in place."""
    image.copy_(image.flip(-1))
