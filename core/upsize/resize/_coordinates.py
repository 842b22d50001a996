"""Boxes and points of a batch: they move with their image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from upsize.resize._bounds import check_bounds
from upsize.resize._change import SizeChange, spell_size
from upsize.resize._crop import shift, shift_boxes, shift_normalized
from upsize.resize._geometry import FORMATS, scale_boxes, scale_points
from upsize.resize._interpolate import check_dense
from upsize.resize._shown import Path

__all__ = [
    "BOXES",
    "KEYPOINTS",
    "box_format",
    "called",
    "coordinates",
    "move_boxes",
    "move_keypoints",
    "move_points",
]

#: Policies that a type asks for, too.
BOXES, KEYPOINTS = "boxes", "keypoints"
#: Names of boxes and points in datasets and models that many use.
_KINDS: dict[str, str] = {
    **dict.fromkeys(("bbox", "bboxes", "box", "boxes"), BOXES),
    **dict.fromkeys(("keypoint", "keypoints", "kps", "kpts", "landmarks"), KEYPOINTS),
    **dict.fromkeys(("polygon", "polygons"), KEYPOINTS),
}
#: Before these, it is a number of them.
_COUNTS = frozenset(("n", "num", "number", "count"))


def called(path: Path) -> tuple[Path, str | None]:
    """Return what the last key on a path calls its leaf, and the path to that key.

    A list has no keys: in ``("boxes", 0)`` the name is that of the list.
    """
    for depth in range(len(path), 0, -1):
        key = path[depth - 1]
        if isinstance(key, str):
            *before, word = key.lower().split("_")
            kind = _KINDS.get(word) if _COUNTS.isdisjoint(before) else None
            return path[:depth], kind
    return path, None


def coordinates(path: Path, leaf: Tensor, role: str | None) -> str | None:
    """Return whether a plain leaf holds boxes or keypoints, by its role or its name."""
    if hasattr(leaf, "canvas_size") or leaf.ndim < 1 or not leaf.numel():
        return None
    kind = role
    if role is None:
        place, kind = called(path)
        if place != path and leaf.ndim < 2:
            return None  # one of the numbers beside the boxes of a list
    if kind == BOXES and leaf.shape[-1] == 4:
        return BOXES
    return KEYPOINTS if kind == KEYPOINTS and leaf.shape[-1] in (2, 3) else None


def box_format(boxes: Tensor, name: str) -> str:
    """Return the name of the format of boxes, or refuse other tensors."""
    typed: Any = getattr(boxes, "format", None)  # torchvision's
    form: str = "XYXY" if typed is None else typed.value
    _check_numbers(boxes, name, "boxes", (FORMATS[form],))
    return form


def move_boxes(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    """Return boxes as they lie in the image at its new size."""
    form = box_format(leaf, name)
    if _is_at_size(leaf, name, change):
        return leaf
    with torch._C.DisableTorchFunctionSubclass():
        if not hasattr(leaf, "canvas_size"):  # torchvision takes any
            check_bounds(leaf, form, change.image, name)
        if change.corner is not None:
            scaled = shift_boxes(leaf, form, change.corner)
        else:
            scaled = scale_boxes(leaf, form, change.size, change.image)
    return _on_canvas(scaled, leaf, change)


def move_keypoints(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    """Return keypoints as they lie in the image at its new size."""
    _check_numbers(leaf, name, "keypoints", (2, 3))
    if _is_at_size(leaf, name, change):
        return leaf
    with torch._C.DisableTorchFunctionSubclass():
        if change.corner is not None:
            scaled = shift(leaf, change.corner)
        else:
            scaled = scale_points(leaf, change.size, change.image)
    return _on_canvas(scaled, leaf, change)


def move_points(
    leaf: Tensor,
    name: str,  # noqa: ARG001
    change: SizeChange,
) -> Tensor:
    """Keep coordinates, which count from -1 to 1, and renew the size beside them."""
    if not hasattr(leaf, "img_size") and change.corner is None:
        return leaf
    # A view of its own: one made by fastai would share the attributes, too.
    with torch._C.DisableTorchFunctionSubclass():
        view = leaf.view_as(leaf)
        if change.corner is not None:
            view = shift_normalized(leaf, change.corner, change.size, change.image)
    points = view.as_subclass(type(leaf))
    vars(points).update(vars(leaf))
    if hasattr(leaf, "img_size"):
        # Width first, as fastai's PointScaler has it.
        vars(points)["img_size"] = change.size[::-1]
    return points


def _is_at_size(leaf: Tensor, name: str, change: SizeChange) -> bool:
    """Whether coordinates are those of the new size; refuse another canvas."""
    image = change.image
    canvas = tuple(getattr(leaf, "canvas_size", image))
    if canvas == change.size:
        return True
    if canvas != image:
        raise ValueError(
            f"{name} of shape {tuple(leaf.shape)} has a canvas_size of "
            f"{spell_size(canvas)}, but its image has {spell_size(image)} pixels: resize both "
            "together"
        )
    if not leaf.is_floating_point() and max(change.size) > torch.iinfo(leaf.dtype).max:
        raise TypeError(
            f"{name} is {leaf.dtype}, which cannot count to {max(change.size)} pixels: "
            "convert it to int64 or float"
        )
    return False


def _on_canvas(scaled: Tensor, leaf: Tensor, change: SizeChange) -> Tensor:
    """Give ``scaled`` the type of ``leaf``, on a canvas of the new size."""
    if not hasattr(leaf, "canvas_size"):
        return scaled
    # Not torchvision's own functional: it cuts whole numbers off, and clamps rotated
    # boxes.
    typed = scaled.as_subclass(type(leaf))
    vars(typed).update(vars(leaf) | {"canvas_size": tuple(change.size)})
    return typed


def _check_numbers(leaf: Tensor, name: str, what: str, counts: tuple[int, ...]) -> None:
    """Refuse coordinates of another shape, dtype or layout."""
    check_dense(leaf, name)
    allowed = " or ".join(f"(..., {count})" for count in counts)
    if leaf.ndim < 1 or leaf.shape[-1] not in counts:
        raise ValueError(
            f"{name} is treated as {what} and must have shape {allowed}, not "
            f"{tuple(leaf.shape)}"
        )
    if leaf.dtype == torch.bool or leaf.is_complex():
        raise TypeError(
            f"{name} is treated as {what} and must hold real numbers, not {leaf.dtype}"
        )
