"""Cut a crop out of an image file that is decoded at a fraction of its size."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

from PIL import Image
from torch import Tensor

from upsize.loading._images._files import ImageFile
from upsize.resize._interpolate import Mode, interpolate
from upsize.schedule import Size

__all__ = ["FILTERS", "Crop", "Cut", "Output", "cut"]

Output: TypeAlias = Literal["pil", "tensor"]

_PIL = {each.name.lower(): each for each in Image.Resampling}
_TORCH: dict[str, Mode] = {"bilinear": "bilinear", "bicubic": "bicubic"}
#: The interpolations that there are for each output.
FILTERS = {"pil": tuple(_PIL), "tensor": tuple(_TORCH)}


class Crop(NamedTuple):
    """A part of an image, in pixels of the original."""

    top: int
    left: int
    height: int
    width: int


class Cut(NamedTuple):
    """How a crop is cut out."""

    size: Size
    interpolation: str
    output: Output


def cut(
    file: ImageFile,
    crop: Crop,
    share: tuple[float, float],
    how: Cut,
    reduction: int = 1,
) -> Image.Image | Tensor:
    """Decode an image file and return a crop of it.

    Args:
        file: The original, or a copy of it.
        crop: In pixels of the original.
        share: The (height, width) of what is decoded as a share of the original's.
        how: The size and the kind of the result.
        reduction: What the sides of the file are divided by as it is decoded.
    """
    if how.output == "pil":
        return _cut_pil(file, crop, share, how, reduction)
    pixels = file.tensor(reduction)
    sides = zip(
        pixels.shape[:2], crop[:2], crop[2:], share, file.margin(reduction), strict=True
    )
    rows, columns = (_range(*each) for each in sides)
    part = pixels[rows, columns].permute(2, 0, 1)
    mode = _TORCH[how.interpolation]
    return interpolate(part, how.size, mode, antialias=True).contiguous()


def _range(side: int, begin: int, length: int, share: float, margin: float) -> slice:
    """Return the whole pixels of a side that are nearest to a crop's."""
    first = min(side - 1, round(margin + begin * share))
    last = round(margin + (begin + length) * share)
    return slice(first, min(side, max(first + 1, last)))


def _cut_pil(
    file: ImageFile, crop: Crop, share: tuple[float, float], how: Cut, reduction: int
) -> Image.Image:
    image, margin = file.rgb(reduction), file.margin(reduction)
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
