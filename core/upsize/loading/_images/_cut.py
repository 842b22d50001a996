"""Cut a crop out of the pixels of an image and resample it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from upsize.loading._images._resample import (
    INTERPOLATIONS,
    Box,
    planes_of,
    resample,
    resampled,
)
from upsize.schedule import Size

__all__ = [
    "FILTERS",
    "Crop",
    "Cut",
    "Output",
    "Pixels",
    "cut",
    "cut_centre",
    "cut_pixels",
]

Output: TypeAlias = Literal["pil", "tensor"]

_PIL = {each.name.lower(): each for each in Image.Resampling}
#: The interpolations that there are for each output.
FILTERS = {"pil": tuple(_PIL), "tensor": tuple(INTERPOLATIONS)}


class Pixels(Protocol):
    """Where the pixels of an image come from: its file, or a copy of it.

    They may be decoded when they are asked for, or be there already, as in a store that
    is mapped into memory. They are only read.
    """

    @property
    def size(self) -> Size:
        """The size in pixels, as the image is turned."""
        ...

    def margin(self, reduction: int) -> tuple[float, float]:
        """Return where the image begins in its pixels: (top, left)."""
        ...

    def rgb(self, reduction: int = 1) -> Image.Image:
        """Return the pixels in mode "RGB"."""
        ...

    def tensor(self, reduction: int = 1) -> Tensor:
        """Return the pixels as a uint8 tensor (height, width, 3)."""
        ...


class Crop(NamedTuple):
    """A part of an image, in pixels of the original."""

    top: float
    left: float
    height: float
    width: float


class Cut(NamedTuple):
    """How a crop is cut out."""

    size: Size
    interpolation: str
    output: Output


def cut(
    pixels: Pixels,
    crop: Crop,
    share: tuple[float, float],
    how: Cut,
    reduction: int = 1,
    out: Tensor | None = None,
) -> Image.Image | Tensor:
    """Return a crop of an image, resampled.

    Args:
        pixels: The original, or a copy of it.
        crop: In pixels of the original.
        share: The (height, width) of what is decoded as a share of the original's.
        how: The size and the kind of the result.
        reduction: What the sides of the pixels are divided by as they are decoded.
        out: A tensor (1, 3, height, width) to fill, in any order of memory; ``None``: a
            new one (3, height, width).
    """
    if how.output == "pil":
        return _cut_pil(pixels, crop, share, how, reduction)
    planes = cut_pixels(pixels, crop, share, reduction)
    if out is None:
        return _own(resampled(planes, how.size, how.interpolation)[0])
    resample(planes, how.size, how.interpolation, out)
    return out


def cut_pixels(
    pixels: Pixels, crop: Crop, share: tuple[float, float], reduction: int = 1
) -> Tensor:
    """Return the whole pixels of a crop as (1, 3, height, width): those there are.

    Args:
        pixels: The original, or a copy of it.
        crop: In pixels of the original.
        share: The (height, width) of what is decoded as a share of the original's.
        reduction: What the sides of the pixels are divided by as they are decoded.
    """
    whole, margin = pixels.tensor(reduction), pixels.margin(reduction)
    height, width, _ = whole.shape
    return planes_of(whole, _nearest(Size(height, width), crop, share, margin))


def _nearest(
    size: Size, crop: Crop, share: tuple[float, float], margin: tuple[float, float]
) -> Box:
    """Return the whole pixels that are nearest to a crop.

    Args:
        size: The size of the pixels that there are.
        crop: In pixels of the original.
        share: The (height, width) of those there are as a share of the original's.
        margin: Where the image begins in them: (top, left).
    """
    (height, width), (down, across), (above, before) = size, share, margin
    top = min(height - 1, round(above + crop.top * down))
    left = min(width - 1, round(before + crop.left * across))
    bottom = min(height, round(above + (crop.top + crop.height) * down))
    right = min(width, round(before + (crop.left + crop.width) * across))
    return top, left, max(1, bottom - top), max(1, right - left)


def cut_centre(
    pixels: Pixels, whole: Size, how: Cut, out: Tensor | None = None
) -> Image.Image | Tensor:
    """Return the centre of a resized image, as ``Resize`` and ``CenterCrop`` do.

    The same pixels come of resampling the centre alone only to a fraction of one.

    Args:
        pixels: The original.
        whole: The size that it is resampled to.
        how: The size of the centre, and its kind.
        out: As for :func:`cut`.
    """
    (height, width), (down, across) = whole, how.size
    top, left = round((height - down) / 2), round((width - across) / 2)
    if how.output == "pil":
        image = pixels.rgb().resize((width, height), _PIL[how.interpolation])
        return image.crop((left, top, left + across, top + down))
    rgb = pixels.tensor()
    rows, columns, _ = rgb.shape
    planes = planes_of(rgb, (0, 0, rows, columns))
    resized = resampled(planes, whole, how.interpolation)
    centre = resized[:, :, top : top + down, left : left + across]
    return _own(centre[0]) if out is None else out.copy_(centre)


def _own(made: Tensor) -> Tensor:
    # Never a view of pixels that are only lent, as where they have the size already.
    return made.clone(memory_format=torch.contiguous_format)


def _cut_pil(
    pixels: Pixels, crop: Crop, share: tuple[float, float], how: Cut, reduction: int
) -> Image.Image:
    image, margin = pixels.rgb(reduction), pixels.margin(reduction)
    down, across = share
    top, left = margin[0] + crop.top * down, margin[1] + crop.left * across
    right = min(image.width, left + crop.width * across)
    bottom = min(image.height, top + crop.height * down)
    # Only whole pixels can be cut out; the rest of the box is left to the resampling,
    # which else would look past the edges of the crop.
    x, y = math.floor(left), math.floor(top)
    part = image.crop((x, y, math.ceil(right), math.ceil(bottom)))
    box = (left - x, top - y, right - x, bottom - y)
    sides = how.size.width, how.size.height
    return part.resize(sides, _PIL[how.interpolation], box)
