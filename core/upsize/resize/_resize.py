"""Resize one tensor."""

from __future__ import annotations

from torch import Tensor

from upsize.resize._interpolate import Mode, check_mode, interpolate
from upsize.schedule._size import as_size

__all__ = ["resize"]


def resize(
    images: Tensor,
    size: int | tuple[int, int],
    *,
    mode: Mode = "bilinear",
    antialias: bool = True,
) -> Tensor:
    """Resize images to a height and width in pixels, always the last two dims.

    Keeps the dtype, device, memory format and tensor subclass, and is differentiable.

    Args:
        images: Shape (..., height, width), any rank from 2: (channels, height, width),
            (batch, channels, height, width), volumes (batch, channels, depth, height,
            width), video (batch, time, channels, height, width). Never changed.
        size: Pixels: (height, width), or one side of a square. No scale factors: they
            lose a pixel at some sizes.
        mode: "bilinear", "bicubic" and "area" blend pixels, of floating or uint8
            images; uint8 is rounded and cut off, by bicubic on a CPU between its two
            passes already, as Pillow does. "nearest" and "nearest-exact" pick them, of
            any dtype but complex: pixel floor((i + 0.5) * height / new_height) for
            "nearest-exact", without the 0.5 for "nearest", computed exactly, so a mask
            comes out the same in every dtype.
        antialias: Whether "bilinear" and "bicubic" smooth as they shrink, so that fine
            patterns fade instead of turning into coarse ones. Nothing in other modes.

    Returns:
        Shape (..., new_height, new_width); ``images`` itself when it has that size.

    Raises:
        TypeError: For a dtype that ``mode`` cannot resize: labels are never blended.
        ValueError: For a bad size, an unknown mode, or a rank below 2.

    Example:
        >>> import torch
        >>> resize(torch.rand(8, 3, 224, 224), 124).shape
        torch.Size([8, 3, 124, 124])
        >>> stripes = torch.tensor([0.0, 1.0]).repeat(1, 1, 4, 8)  # 16 columns
        >>> resize(stripes, (4, 4))[0, 0, 0]
        tensor([0.4643, 0.5000, 0.5000, 0.5357])
        >>> resize(stripes, (4, 4), mode="nearest-exact")[0, 0, 0]
        tensor([0., 0., 0., 0.])
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor, not a {type(images).__name__}")
    check_mode(mode)
    return interpolate(images, as_size(size), mode, antialias)
