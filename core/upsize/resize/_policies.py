"""What happens to one leaf of a batch: a table from policy to function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from upsize.resize._bounds import check_bounds
from upsize.resize._geometry import (
    FORMATS,
    scale_boxes,
    scale_flow,
    scale_points,
)
from upsize.resize._interpolate import Mode, check_dense, interpolate
from upsize.resize._scaled import Scale, parse_scale
from upsize.resize._shown import Path, label, spell

__all__ = [
    "BOXES",
    "CANDIDATE",
    "INPUT",
    "KEYPOINTS",
    "POINTS",
    "POLICIES",
    "SizeChange",
    "box_format",
    "resize_leaf",
]

# Roles that no user can name as a policy: INPUT was named as an image or has the type
# of one; CANDIDATE looks like one, and is if it has the full size; POINTS has fastai's
# type of points and boxes.
INPUT, CANDIDATE, POINTS = "input", "candidate", "points"
# Policies that a type asks for, too.
BOXES, KEYPOINTS = "boxes", "keypoints"
_COORDINATES = (BOXES, KEYPOINTS, POINTS)


class SizeChange(NamedTuple):
    """What is asked of a leaf: from ``full`` to ``size``.

    ``image`` is the size that the image of the leaf has: one of the two, where a
    loader makes images at their step's size.
    """

    size: tuple[int, int]
    full: tuple[int, int]
    image: tuple[int, int]
    mode: Mode
    antialias: bool


def resize_leaf(role: str, leaf: Any, path: Path, change: SizeChange) -> Any:
    """Return the leaf at ``path``, which is not None, as ``role`` wants it."""
    if not isinstance(leaf, Tensor):
        raise TypeError(
            f"{label(path)} is named as {role!r} and must be a tensor, not a "
            f"{type(leaf).__name__}: convert it, or say "
            f'targets={{{spell(path)}: "keep"}}'
        )
    scale = None if role in _ROLES else parse_scale(role)
    if scale is not None:
        role, change = scale.policy, _scaled_change(scale, leaf, label(path), change)
    policy = _ROLES[role]
    assert policy is not None  # what is kept never comes here
    if role not in _COORDINATES and leaf.shape[-2:] == change.size:
        return leaf  # made at this size, by a loader that knows it
    return policy(leaf, label(path), change)


def _scaled_change(
    scale: Scale, leaf: Tensor, name: str, change: SizeChange
) -> SizeChange:
    """Return the change of a target with another size than its image."""
    full, size = scale.of(change.full), scale.of(change.size)
    if full is None or leaf.shape[-2:] not in (full, size):
        wanted = f"shape (..., {full[0]}, {full[1]})" if full else "a whole number"
        raise ValueError(
            f"{name} must have {scale} the {_spell(change.full)} pixels of the "
            f"images, {wanted}, not {tuple(leaf.shape)}: correct the scale of its "
            'policy, or give it the policy "keep"'
        )
    if size is None:
        raise ValueError(
            f"{name} has {scale} the pixels of the images, and {scale.parts} does "
            f"not divide the size {_spell(change.size)}: give the schedule "
            f"multiple_of={scale.parts}"
        )
    return change._replace(size=size, full=full, image=full)


def box_format(boxes: Tensor, name: str) -> str:
    """Return the name of the format of boxes, or refuse other tensors."""
    typed: Any = getattr(boxes, "format", None)  # torchvision's
    form: str = "XYXY" if typed is None else typed.value
    _check_numbers(boxes, name, "boxes", (FORMATS[form],))
    return form


def _resize_image(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    return interpolate(leaf, change.size, change.mode, change.antialias, name)


def _resize_candidate(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    same = leaf.shape[-2:] == change.full
    return _resize_image(leaf, name, change) if same else leaf


def _resize_map(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    _check_full(leaf, name, change)
    return _resize_image(leaf, name, change)


def _resize_mask(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    _check_full(leaf, name, change)
    return interpolate(leaf, change.size, "nearest-exact", False, name)


def _resize_flow(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    if leaf.ndim < 3 or leaf.shape[-3] != 2 or not leaf.is_floating_point():
        raise ValueError(
            f"{name} is optical flow and must be floating and have shape "
            f"(..., 2, height, width), x before y, not {leaf.dtype} {tuple(leaf.shape)}"
        )
    flow = _resize_map(leaf, name, change)
    return scale_flow(flow, change.size, change.full)


def _scale_boxes(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    form = box_format(leaf, name)
    if _is_at_size(leaf, name, change):
        return leaf
    with torch._C.DisableTorchFunctionSubclass():
        if not hasattr(leaf, "canvas_size"):  # torchvision takes any
            check_bounds(leaf, form, change.image, name)
        scaled = scale_boxes(leaf, form, change.size, change.image)
    return _on_canvas(scaled, leaf, change)


def _scale_keypoints(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    _check_numbers(leaf, name, "keypoints", (2, 3))
    if _is_at_size(leaf, name, change):
        return leaf
    with torch._C.DisableTorchFunctionSubclass():
        scaled = scale_points(leaf, change.size, change.image)
    return _on_canvas(scaled, leaf, change)


def _is_at_size(leaf: Tensor, name: str, change: SizeChange) -> bool:
    """Whether coordinates are those of the new size; refuse another canvas."""
    image = change.image
    canvas = tuple(getattr(leaf, "canvas_size", image))
    if canvas == change.size:
        return True
    if canvas != image:
        raise ValueError(
            f"{name} of shape {tuple(leaf.shape)} has a canvas_size of "
            f"{_spell(canvas)}, but its image has {_spell(image)} pixels: resize both "
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


def _resize_points(
    leaf: Tensor,
    name: str,  # noqa: ARG001
    change: SizeChange,
) -> Tensor:
    """Keep coordinates, which count from -1 to 1, and renew the size beside them."""
    if not hasattr(leaf, "img_size"):
        return leaf
    # A view of its own: one made by fastai would share the attributes, too.
    with torch._C.DisableTorchFunctionSubclass():
        view = leaf.view_as(leaf)
    points = view.as_subclass(type(leaf))
    # Width first, as fastai's PointScaler has it.
    vars(points).update(vars(leaf) | {"img_size": change.size[::-1]})
    return points


def _check_full(leaf: Tensor, name: str, change: SizeChange) -> None:
    """Refuse a target that does not cover the images pixel by pixel."""
    full = change.full
    if leaf.shape[-2:] != full:
        raise ValueError(
            f"{name} must have the full size of the images, shape "
            f"(..., {full[0]}, {full[1]}), not {tuple(leaf.shape)}: resize it "
            'yourself, or give it the policy "keep"'
        )


def _spell(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


POLICIES: dict[str, Callable[[Tensor, str, SizeChange], Tensor] | None] = {
    BOXES: _scale_boxes,
    "flow": _resize_flow,
    "image": _resize_map,
    "keep": None,
    KEYPOINTS: _scale_keypoints,
    "mask": _resize_mask,
}
_ROLES = {
    INPUT: _resize_image,
    CANDIDATE: _resize_candidate,
    POINTS: _resize_points,
    **POLICIES,
}
