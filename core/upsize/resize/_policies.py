"""What happens to one leaf of a batch: a table from policy to function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from upsize.resize._change import SizeChange, spell_size
from upsize.resize._coordinates import (
    BOXES,
    KEYPOINTS,
    move_boxes,
    move_keypoints,
    move_points,
)
from upsize.resize._crop import cut
from upsize.resize._geometry import scale_flow
from upsize.resize._interpolate import interpolate
from upsize.resize._scaled import Scale, parse_scale
from upsize.resize._shown import Path, label, spell

__all__ = ["CANDIDATE", "INPUT", "POINTS", "POLICIES", "resize_leaf", "uneven_scale"]

# Roles that no user can name as a policy: INPUT was named as an image or has the type
# of one; CANDIDATE looks like one, and is if it has the full size; POINTS has fastai's
# type of points and boxes.
INPUT, CANDIDATE, POINTS = "input", "candidate", "points"
_COORDINATES = (BOXES, KEYPOINTS, POINTS)


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
            f"{name} must have {scale} the {spell_size(change.full)} pixels of the "
            f"images, {wanted}, not {tuple(leaf.shape)}: correct the scale of its "
            'policy, or give it the policy "keep"'
        )
    if size is None:
        raise ValueError(uneven_scale(name, scale, change.size))
    corner = change.corner
    if corner is not None:  # on a grid that the scale divides
        top, left = corner
        corner = (
            top * scale.times // scale.parts,
            left * scale.times // scale.parts,
        )
    return change._replace(size=size, full=full, image=full, corner=corner)


def uneven_scale(name: str, scale: Scale, size: tuple[int, int]) -> str:
    """Say that a target would have no whole number of pixels beside images of a size."""
    return (
        f"{name} has {scale} the pixels of the images, and {scale.parts} does not divide "
        f"the size {spell_size(size)}: give the schedule multiple_of={scale.parts}"
    )


def _resize_image(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    if change.corner is not None:
        return cut(leaf, change.corner, change.size, name)
    return interpolate(leaf, change.size, change.mode, change.antialias, name)


def _resize_candidate(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    same = leaf.shape[-2:] == change.full
    return _resize_image(leaf, name, change) if same else leaf


def _resize_map(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    _check_full(leaf, name, change)
    return _resize_image(leaf, name, change)


def _resize_mask(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    _check_full(leaf, name, change)
    if change.corner is not None:
        return cut(leaf, change.corner, change.size, name)
    return interpolate(leaf, change.size, "nearest-exact", False, name)


def _resize_flow(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    if leaf.ndim < 3 or leaf.shape[-3] != 2 or not leaf.is_floating_point():
        raise ValueError(
            f"{name} is optical flow and must be floating and have shape "
            f"(..., 2, height, width), x before y, not {leaf.dtype} {tuple(leaf.shape)}"
        )
    flow = _resize_map(leaf, name, change)
    if change.corner is not None:
        return flow  # pixels keep their size
    return scale_flow(flow, change.size, change.full)


def _resize_disparity(leaf: Tensor, name: str, change: SizeChange) -> Tensor:
    if not leaf.is_floating_point():
        raise TypeError(
            f"{name} is a disparity and must be floating, not {leaf.dtype}: convert it, "
            "as its values become fractions of pixels"
        )
    picked = _resize_mask(leaf, name, change)  # blended, 0 or infinity would spread
    if change.corner is not None:
        return picked  # pixels keep their size
    return picked * (change.size[1] / change.full[1])


def _check_full(leaf: Tensor, name: str, change: SizeChange) -> None:
    """Refuse a target that does not cover the images pixel by pixel."""
    full = change.full
    if leaf.shape[-2:] != full:
        raise ValueError(
            f"{name} must have the full size of the images, shape "
            f"(..., {full[0]}, {full[1]}), not {tuple(leaf.shape)}: resize it "
            'yourself, or give it the policy "keep"'
        )


POLICIES: dict[str, Callable[[Tensor, str, SizeChange], Tensor] | None] = {
    BOXES: move_boxes,
    "disparity": _resize_disparity,
    "flow": _resize_flow,
    "image": _resize_map,
    "keep": None,
    KEYPOINTS: move_keypoints,
    "mask": _resize_mask,
}
_ROLES = {
    INPUT: _resize_image,
    CANDIDATE: _resize_candidate,
    POINTS: move_points,
    **POLICIES,
}
