"""Boxes, keypoints and flow in pixels, scaled from one size to another.

Pure functions. A coordinate is a place on the image, from 0 at its left or upper edge
to its width or height at the other: it is multiplied by new / old, in one exact product
and one division, so that an edge stays an edge. Floating dtypes of 16 bits are computed
in float32; whole numbers are rounded to the nearest, a half up.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "FORMATS",
    "corners",
    "scale_boxes",
    "scale_flow",
    "scale_points",
    "too_thin",
]

#: How many numbers a box has, by the names that torchvision gives to formats.
FORMATS = {
    "XYXY": 4,
    "XYWH": 4,
    "CXCYWH": 4,
    "XYWHR": 5,
    "CXCYWHR": 5,
    "XYXYXYXY": 8,
}
_HALF = (torch.float16, torch.bfloat16)


def scale_points(
    points: Tensor, size: tuple[int, int], full: tuple[int, int]
) -> Tensor:
    """Scale the first two of the last dim, x and y; a third, visibility, is kept.

    Args:
        points: Shape (..., 2) or more.
        size: (height, width) that the image gets.
        full: (height, width) that it has.
    """
    x, y, *others = points.unbind(-1)
    x, y = _scale(x, size[1], full[1]), _scale(y, size[0], full[0])
    return torch.stack([x, y, *others], dim=-1)


def scale_boxes(
    boxes: Tensor, form: str, size: tuple[int, int], full: tuple[int, int]
) -> Tensor:
    """Scale boxes of any of :data:`FORMATS`.

    Exact for all but one case: where the aspect ratio changes, a rotated rectangle
    becomes a parallelogram. "XYXYXYXY" holds it; the two formats with an angle get the
    rectangle of its centre, its area, and the length and direction of its width.

    Args:
        boxes: Shape (..., 4), (..., 5) or (..., 8). Whole numbers are rounded at the
            corners, so that a box inside the image stays inside.
        form: The name of the format.
        size: (height, width) that the image gets.
        full: (height, width) that it has.
    """
    if form in ("XYWHR", "CXCYWHR"):
        return _scale_rotated(boxes, size, full, corner=form == "XYWHR")
    if not boxes.is_floating_point() and form in ("XYWH", "CXCYWH"):
        return _scale_whole(boxes, size, full, centre=form == "CXCYWH")
    x = _scale(boxes[..., 0::2], size[1], full[1])
    y = _scale(boxes[..., 1::2], size[0], full[0])
    return torch.stack([x, y], dim=-1).flatten(-2)


def scale_flow(flow: Tensor, size: tuple[int, int], full: tuple[int, int]) -> Tensor:
    """Scale the values of a flow field (..., 2, height, width): x, then y."""
    height, width = size[0] / full[0], size[1] / full[1]
    # By numbers: a tensor of both would have to be copied to the device, which waits.
    along, down = flow.unbind(-3)
    return torch.stack([along * width, down * height], dim=-3)


def too_thin(boxes: Tensor, form: str) -> Tensor:
    """Say which boxes are less than a pixel wide or high.

    Args:
        boxes: Shape (..., 4), (..., 5) or (..., 8).
        form: The name of the format.
    """
    boxes = _wide(boxes)
    sides: Tensor
    if form == "XYXYXYXY":
        points = corners(boxes, form)
        sides = torch.linalg.vector_norm(points.diff(dim=-2)[..., :2, :], dim=-1)
    elif form == "XYXY":
        sides = boxes[..., 2:] - boxes[..., :2]
    else:
        sides = boxes[..., 2:4]
    return ~(sides >= 1).all(-1)


def corners(boxes: Tensor, form: str) -> Tensor:
    """Return the four corners of each box in their order, of shape (..., 4, 2).

    Args:
        boxes: Shape (..., 4), (..., 5) or (..., 8).
        form: The name of the format.
    """
    boxes = _wide(boxes)
    if form == "XYXYXYXY":
        return boxes.reshape(*boxes.shape[:-1], 4, 2)
    if form == "XYXY":
        left, top, right, bottom = boxes.unbind(-1)
        places = [left, top, right, top, right, bottom, left, bottom]
        return torch.stack(places, dim=-1).reshape(*boxes.shape[:-1], 4, 2)
    width, height = boxes[..., 2], boxes[..., 3]
    turned = form in ("XYWHR", "CXCYWHR")
    cos, sin = _turn(boxes[..., 4]) if turned else (1.0, 0.0)
    along = torch.stack([width * cos, -width * sin], dim=-1)
    across = torch.stack([height * sin, height * cos], dim=-1)
    first = boxes[..., :2]
    if form in ("CXCYWH", "CXCYWHR"):
        first = first - (along + across) / 2
    return torch.stack(
        [first, first + along, first + along + across, first + across], dim=-2
    )


def _scale(values: Tensor, new: int, old: int) -> Tensor:
    """Multiply by new / old."""
    if new == old:
        return values
    if values.is_floating_point():
        scaled: Tensor = _wide(values) * new / old
        return scaled.to(values.dtype)
    whole = (2 * new * values.long() + old).div(2 * old, rounding_mode="floor")
    return whole.to(values.dtype)


def _wide(values: Tensor) -> Tensor:
    """Return ``values`` in a floating dtype that is precise enough to compute in."""
    if values.dtype in _HALF or not values.is_floating_point():
        return values.float()
    return values


def _scale_whole(
    boxes: Tensor, size: tuple[int, int], full: tuple[int, int], *, centre: bool
) -> Tensor:
    """Scale whole numbers by the corners of their boxes.

    The centre of an odd width is between two numbers: it becomes the lower one, as
    torchvision converts it.
    """
    place, extent = boxes[..., :2].long(), boxes[..., 2:].long()
    low = 2 * place - extent if centre else 2 * place  # in halves of a pixel
    corners = torch.cat([low, low + 2 * extent], dim=-1)
    # Halves of a pixel: a doubled old length makes whole ones of them.
    doubled = (2 * full[0], 2 * full[1])
    scaled = scale_boxes(corners, "XYXY", size, doubled)
    low, high = scaled[..., :2], scaled[..., 2:]
    place = (low + high).div(2, rounding_mode="floor") if centre else low
    return torch.cat([place, high - low], dim=-1).to(boxes.dtype)


def _scale_rotated(
    boxes: Tensor, size: tuple[int, int], full: tuple[int, int], *, corner: bool
) -> Tensor:
    """Scale (x, y, width, height, degrees), counted against the clock."""
    wide = _wide(boxes)
    x, y, width, height, degrees = wide.unbind(-1)
    cos, sin = _turn(degrees)
    if corner:
        x, y = _centre(wide)
    x, y = _scale(x, size[1], full[1]), _scale(y, size[0], full[0])
    right, down = size[1] / full[1], size[0] / full[0]
    stretch = torch.hypot(right * cos, down * sin)
    width, height = width * stretch, height * (right * down) / stretch
    # By the angle between the old and the new direction: 0 for equal ratios.
    turned = torch.atan2(
        (down - right) * sin * cos, right * cos.square() + down * sin.square()
    )
    degrees = degrees + turned.rad2deg()
    if corner:
        cos, sin = _turn(degrees)
        x = x - (width * cos + height * sin) / 2
        y = y - (height * cos - width * sin) / 2
    return torch.stack([x, y, width, height, degrees], dim=-1).to(boxes.dtype)


def _centre(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Give the centre (x, y) of (x, y, width, height, degrees) by the first corner."""
    x, y, width, height, degrees = boxes.unbind(-1)
    cos, sin = _turn(degrees)
    return x + (width * cos + height * sin) / 2, y + (height * cos - width * sin) / 2


def _turn(degrees: Tensor) -> tuple[Tensor, Tensor]:
    radians = degrees.deg2rad()
    return radians.cos(), radians.sin()
