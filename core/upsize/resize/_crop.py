"""Windows that are cut out of images, and the coordinates in them."""

from __future__ import annotations

import torch
from torch import Tensor

from upsize.resize._interpolate import check_image_shape, with_type_of

__all__ = ["cut", "shift", "shift_boxes", "shift_normalized"]


def cut(
    images: Tensor, corner: tuple[int, int], size: tuple[int, int], name: str
) -> Tensor:
    """Cut a window out of the last two dims of ``images``, which errors call ``name``.

    The result has its own memory, in the order of the images.
    """
    check_image_shape(images, name)
    top, left = corner
    with torch._C.DisableTorchFunctionSubclass():
        window = images[..., top : top + size[0], left : left + size[1]]
        last = torch.channels_last
        is_last = (
            images.ndim == 4
            and not images.is_contiguous()
            and images.is_contiguous(memory_format=last)
        )
        order = last if is_last else torch.contiguous_format
        window = window.clone(memory_format=order)
    return with_type_of(images, window)


def shift(points: Tensor, corner: tuple[int, int]) -> Tensor:
    """Move the first two of the last dim, x and y; others are kept.

    Args:
        points: Shape (..., 2) or more, in pixels.
        corner: The (top, left) pixel that becomes (0, 0).
    """
    moved = points.clone()
    moved[..., 0] -= corner[1]
    moved[..., 1] -= corner[0]
    return moved


def shift_boxes(boxes: Tensor, form: str, corner: tuple[int, int]) -> Tensor:
    """Move boxes of any of the formats of :mod:`upsize.resize._geometry`.

    Args:
        boxes: Shape (..., 4), (..., 5) or (..., 8), in pixels.
        form: The name of the format.
        corner: The (top, left) pixel that becomes (0, 0).

    Example:
        >>> boxes = torch.tensor([[10, 20, 30, 40]])
        >>> shift_boxes(boxes, "XYXY", (5, 8)), shift_boxes(boxes, "XYWH", (5, 8))
        (tensor([[ 2, 15, 22, 35]]), tensor([[ 2, 15, 30, 40]]))
    """
    if form not in ("XYXY", "XYXYXYXY"):
        return shift(boxes, corner)  # a place and an extent
    moved = boxes.clone()
    moved[..., 0::2] -= corner[1]
    moved[..., 1::2] -= corner[0]
    return moved


def shift_normalized(
    points: Tensor,
    corner: tuple[int, int],
    size: tuple[int, int],
    full: tuple[int, int],
) -> Tensor:
    """Move coordinates that count from -1 to 1 over the image.

    Args:
        points: Shape (..., 2), or (..., 4) for boxes: x and y in turn.
        corner: The (top, left) pixel that becomes (-1, -1).
        size: (height, width) of the window.
        full: (height, width) of the image.
    """
    moved = points.clone()
    for axis, side in ((0, 1), (1, 0)):  # x by the width, y by the height
        pixels = (moved[..., axis::2] + 1) / 2 * full[side] - corner[side]
        moved[..., axis::2] = pixels / size[side] * 2 - 1
    return moved
