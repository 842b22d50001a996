"""Boxes that cannot be in pixels of their image."""

from __future__ import annotations

import torch
from torch import Tensor

from upsize.resize._geometry import corners

__all__ = ["check_bounds"]


def check_bounds(boxes: Tensor, form: str, image: tuple[int, int], name: str) -> None:
    """Refuse boxes that cannot be in pixels of an image.

    A crop cuts objects at its edge, and their boxes may hang over or lie beside it. But
    none is an image away from its image, and pixels are not fractions of one.

    Args:
        boxes: Shape (..., 4), (..., 5) or (..., 8).
        form: The name of their format.
        image: (height, width) of their image.
        name: What errors call them.

    Raises:
        ValueError: With the first box that is wrong.
    """
    if not boxes.numel():
        return
    wrong = _far(corners(boxes, form), image)
    fractions = (boxes >= 0).all() & (boxes <= 1).all() & (boxes % 1 > 0).any()
    any_wrong, normalised = torch.stack([wrong.any(), fractions]).tolist()
    if normalised or any_wrong:
        first = boxes.reshape(-1, boxes.shape[-1])
        first = first[0 if normalised else wrong.flatten().int().argmax()]
        raise ValueError(_refusal(boxes, form, image, name, first, wrong, normalised))


def _far(points: Tensor, image: tuple[int, int]) -> Tensor:
    """Say which boxes have their centre an image away from the image, or are NaN."""
    x, y = points.mean(-2).unbind(-1)
    height, width = image
    near = (x >= -width) & (x <= 2 * width) & (y >= -height) & (y <= 2 * height)
    return ~near


def _refusal(
    boxes: Tensor,
    form: str,
    image: tuple[int, int],
    name: str,
    first: Tensor,
    wrong: Tensor,
    normalised: bool,
) -> str:
    shape, size = tuple(boxes.shape), f"{image[0]}x{image[1]}"
    if normalised:
        return (
            f"{name} of shape {shape} has no number above 1, the first is {form} "
            f"{first.tolist()}, and boxes are in pixels of their image of {size} "
            'pixels: give normalised ones the policy "keep"'
        )
    return (
        f"{name} of shape {shape} has {int(wrong.sum())} boxes outside of their image "
        f"of {size} pixels, the first is {form} {first.tolist()}: boxes must be in "
        "pixels of the image in the batch; scale them with it in the dataset, or give "
        'normalised ones the policy "keep"'
    )
