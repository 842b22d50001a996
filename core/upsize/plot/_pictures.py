"""Draw the images of a batch at a size, with their targets on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Polygon
from torch import Tensor

from upsize.plot._style import STYLES, style
from upsize.resize import Resizer
from upsize.resize._containers import item_of
from upsize.resize._coordinates import BOXES, KEYPOINTS, box_format
from upsize.resize._geometry import corners
from upsize.resize._shown import label
from upsize.schedule import Size

__all__ = ["Picture", "draw", "pictures"]

Points = list[list[float]]


class Picture(NamedTuple):
    """One image and the targets to draw on it, in its pixels.

    ``image`` is an array (height, width) or (height, width, 3) from 0 to 1. ``labels``
    is an array of integers from 0 to 255, with the same height and width.
    """

    image: Any
    labels: Any | None
    boxes: list[Points]
    points: list[Points]


def pictures(
    batch: Any,
    size: Size,
    full: Size,
    resizer: Resizer | None,
    count: int,
    *,
    step: int = 0,
) -> list[Picture]:
    """Return the first ``count`` images of a batch at ``size``.

    ``step`` is the one whose window is drawn, with ``mode="crop"``.
    """
    resizer = Resizer() if resizer is None else resizer
    batch = resizer.read(batch, full=full).at(size, step=step)
    found = resizer.read(batch)
    roles, listed = found.roles, found.listed
    path, first = found.path, found.first
    if listed is not None:
        path = listed.path
        images = [leaf for place, leaf, _ in roles if place[:-1] == path]
    else:
        images = list(first) if first.ndim > 3 else [first]
    drawn = [Picture(_shown(image), None, [], []) for image in images[:count]]
    for place, leaf, role in roles:
        if role not in ("mask", BOXES, KEYPOINTS) or not isinstance(leaf, Tensor):
            continue
        item = item_of(batch, place, path, len(images))
        for number, picture in enumerate(drawn):
            if item in (None, number):
                part = leaf if item is not None else _part(leaf, number, len(images))
                if part is not None:
                    drawn[number] = _with(picture, role, part, leaf, label(place))
    return drawn


def draw(ax: Axes, picture: Picture) -> None:
    """Draw one image with its mask, boxes and keypoints."""
    height, width = picture.image.shape[:2]
    place = (0, width, height, 0)
    ax.imshow(picture.image, cmap="gray", vmin=0, vmax=1, extent=place)
    if picture.labels is not None:
        ax.imshow(_coloured(picture.labels), extent=place, interpolation="nearest")
    for number, box in enumerate(picture.boxes):
        color = style(number).color
        ax.add_patch(Polygon(box, fill=False, edgecolor=color, linewidth=1.5))
    for number, points in enumerate(picture.points):
        ax.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            marker=".",
            color=style(number).color,
        )
    ax.set_title(f"{height}x{width}", fontsize="small", loc="left")
    ax.set_axis_off()


def _coloured(labels: Any) -> Any:
    """Return a mask as transparent colours, with none at 0."""
    wheel = [to_rgba(each.color, 0.5) for each in STYLES]
    table = [(0.0, 0.0, 0.0, 0.0), *(wheel[n % len(wheel)] for n in range(254))]
    return np.array([*table, (1.0, 1.0, 1.0, 0.5)])[labels]


def _part(leaf: Tensor, number: int, count: int) -> Tensor | None:
    """Return the part of a target that belongs to one of several images."""
    if count == 1 and leaf.shape[:1] != (1,):
        return leaf
    return leaf[number] if leaf.shape[:1] == (count,) else None


def _with(
    picture: Picture, role: str, part: Tensor, whole: Tensor, name: str
) -> Picture:
    """Return a picture with another target, the ``part`` of a ``whole``."""
    part = _plain(part)
    if role == "mask":
        return picture._replace(labels=_labels(part).numpy())
    if role == BOXES:
        boxes = corners(part, box_format(whole, name)).reshape(-1, 4, 2).tolist()
        return picture._replace(boxes=[*picture.boxes, *boxes])
    points = part.float().reshape(-1, part.shape[-1]).tolist()
    seen = [point[:2] for point in points if len(point) < 3 or point[2] > 0]
    return picture._replace(points=[*picture.points, seen])


def _shown(image: Tensor) -> Any:
    """Return an image from 0 to 1, in colour if it has three channels."""
    while image.ndim > 3:  # the first frame of a video
        image = image[0]
    image = _plain(image)
    image = image.float() / (1 if image.is_floating_point() else 255)
    low, high = image.aminmax()
    if low < 0 or high > 1:  # it was normalized
        image = (image - low) / (high - low)
    return image.movedim(0, -1).numpy() if len(image) == 3 else image[0].numpy()


def _labels(mask: Tensor) -> Tensor:
    """Return a mask of any kind as one label for each pixel."""
    if mask.ndim == 2 or len(mask) == 1:
        return mask.reshape(mask.shape[-2:]).long().clamp(0, 255)
    if mask.is_floating_point():
        return mask.argmax(0)
    numbers = torch.arange(1, len(mask) + 1)[:, None, None]
    return ((mask != 0) * numbers).amax(0) if len(mask) else mask.sum(0).long()


def _plain(leaf: Tensor) -> Tensor:
    return leaf.detach().cpu().as_subclass(Tensor)
