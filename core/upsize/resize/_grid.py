"""Where windows are cut out of the images and targets of a batch.

A window is drawn by the seed and the step alone, so that all processes cut the same one,
and a resumed run those of an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from upsize.resize._scaled import parse_scale
from upsize.schedule import Size
from upsize.schedule._random_size import random_bits

__all__ = ["Grid", "grid_of", "own_window"]

_BITS = 64


class Grid(NamedTuple):
    """Where windows may begin, the same places in every image and target of a batch.

    Args:
        places: Two numbers of 64 random bits: how far down and right the window is.
        unit: Pixels of the images that targets of a fraction of them need whole.
        sides: The greatest common divisors of the heights and widths of the images.
    """

    places: tuple[int, int]
    unit: int
    sides: tuple[int, int] | None

    def corner(self, size: Size, image: Size) -> tuple[int, int]:
        """Return the (top, left) pixel of a window in an image.

        Args:
            size: The window's.
            image: The image's; larger or equal.

        Raises:
            ValueError: When the window does not fit.

        Example:
            >>> grid = grid_of(seed=0, step=7, policies=["mask/4"], images=[Size(64, 64)])
            >>> grid.corner(Size(32, 32), Size(64, 64))
            (24, 16)
        """
        if size.height > image.height or size.width > image.width:
            raise ValueError(
                f"a window of {size} does not fit into images of {image}: "
                'mode="crop" never enlarges; lower the size, or load larger images'
            )
        units = [
            self.unit * (side // common)
            for side, common in zip(image, self.sides or image, strict=True)
        ]
        top, left = (
            unit * (((have - need) // unit + 1) * place >> _BITS)
            for unit, have, need, place in zip(
                units, image, size, self.places, strict=True
            )
        )
        return top, left


def grid_of(
    seed: int, step: int, policies: Iterable[str | None], images: Iterable[Size] | None
) -> Grid:
    """Draw where the window of a step is.

    Args:
        seed: Seed of the draws.
        step: The step.
        policies: What happens to the leaves of the batch, as "mask/4".
        images: The sizes of the images that one window is cut out of; ``None``: each
            has a window of its own.
    """
    scales = (parse_scale(each) for each in policies if each is not None)
    parts = (scale.parts for scale in scales if scale is not None)
    places = random_bits(seed, 2 * step), random_bits(seed, 2 * step + 1)
    sides = None
    if images is not None:
        heights, widths = zip(*images, strict=True)
        sides = math.gcd(*heights), math.gcd(*widths)
    return Grid(places, math.lcm(*parts), sides)


def own_window(own: Size, size: Size, image: Size) -> Size:
    """Return the window in an image beside that of another size.

    Args:
        own: Size of the image.
        size: Size of the window in the other one.
        image: Size of the other one.

    Raises:
        ValueError: When it is no whole number of pixels.

    Example:
        >>> print(own_window(Size(96, 96), Size(112, 112), Size(224, 224)))
        48x48
    """
    for side, new, other in zip(own, size, image, strict=True):
        if side * new % other:
            step = other // math.gcd(side, other)
            raise ValueError(
                f"the batch has images of {image} and of {own}, and a window of {size} "
                f"would be {side * new / other:g} pixels of the others: give the schedule "
                f"multiple_of={step}"
            )
    return Size(*(a * b // c for a, b, c in zip(own, size, image, strict=True)))
