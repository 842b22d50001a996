"""Draw random crops: torchvision's crops for the same seed, without its tensors."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from upsize.loading._images._cut import Crop
from upsize.loading._images._numbers import Numbers, OneByOne
from upsize.schedule import Size

__all__ = ["draw_crop"]

_TRIES = 10


def draw_crop(
    image: Size,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    numbers: Numbers | None = None,
) -> Crop:
    """Draw the crop of torchvision's ``RandomResizedCrop`` with torch's random numbers.

    Args:
        image: Size of the image in pixels.
        scale: Least and most share of the image's area.
        ratio: Least and most aspect ratio, width / height.
        numbers: Where the random numbers come from; ``None``: :class:`OneByOne`.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> draw_crop(Size(375, 500), (0.08, 1.0), (3 / 4, 4 / 3))
        Crop(top=17, left=80, height=294, width=343)
    """
    height, width = image
    area = height * width
    low, high = _logarithms(ratio, torch.get_default_dtype())
    if numbers is None:
        numbers = OneByOne()
    # The same calls of the generator, and the same float32, as torchvision's.
    for _ in range(_TRIES):
        target = area * numbers.uniform(*scale)
        aspect = numbers.exp_uniform(low, high)
        across = round(math.sqrt(target * aspect))
        down = round(math.sqrt(target / aspect))
        if 0 < across <= width and 0 < down <= height:
            top = numbers.below(height - down + 1)
            left = numbers.below(width - across + 1)
            return Crop(top, left, down, across)
    return _central(image, ratio)


def _central(image: Size, ratio: tuple[float, float]) -> Crop:
    """Return the largest crop in the centre that has an aspect ratio of these."""
    height, width = image
    aspect = width / height
    if aspect < ratio[0]:
        height = round(width / ratio[0])
    elif aspect > ratio[1]:
        width = round(height * ratio[1])
    top, left = (image.height - height) // 2, (image.width - width) // 2
    return Crop(top, left, height, width)


@lru_cache
def _logarithms(ratio: tuple[float, float], dtype: torch.dtype) -> tuple[float, float]:
    low, high = torch.log(torch.tensor(ratio, dtype=dtype)).tolist()
    return low, high
