"""What happens to one leaf of a batch: a table from policy to function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from upsize._containers import Path, label, spell
from upsize._interpolate import Mode, interpolate

__all__ = ["CANDIDATE", "INPUT", "POINTS", "POLICIES", "Request", "apply"]

# Roles that no user can name as a policy: INPUT was named as an image or has the type
# of one; CANDIDATE looks like one, and is if it has the full size; POINTS has fastai's
# type of points and boxes.
INPUT, CANDIDATE, POINTS = "input", "candidate", "points"


class Request(NamedTuple):
    """What is asked of every leaf: from ``full`` to ``size``."""

    size: tuple[int, int]
    full: tuple[int, int]
    mode: Mode
    antialias: bool


def apply(role: str, leaf: Any, path: Path, request: Request) -> Any:
    """Return the leaf at ``path`` as ``role`` wants it; None stays None."""
    policy = _ROLES[role]
    if leaf is None or policy is None:
        return leaf
    if not isinstance(leaf, Tensor):
        raise TypeError(
            f"{label(path)} is named as {role!r} and must be a tensor, not a "
            f'{type(leaf).__name__}: convert it, or say targets={{{spell(path)}: "keep"}}'
        )
    if leaf.shape[-2:] == request.size and role != POINTS:
        return leaf  # made at this size, by a loader that knows it
    return policy(leaf, label(path), request)


def _resize_image(leaf: Tensor, name: str, request: Request) -> Tensor:
    return interpolate(leaf, request.size, request.mode, request.antialias, name)


def _resize_candidate(leaf: Tensor, name: str, request: Request) -> Tensor:
    same = leaf.shape[-2:] == request.full
    return _resize_image(leaf, name, request) if same else leaf


def _resize_map(leaf: Tensor, name: str, request: Request) -> Tensor:
    _check_full(leaf, name, request)
    return _resize_image(leaf, name, request)


def _resize_mask(leaf: Tensor, name: str, request: Request) -> Tensor:
    _check_full(leaf, name, request)
    return interpolate(leaf, request.size, "nearest-exact", False, name)


def _resize_points(leaf: Tensor, name: str, request: Request) -> Tensor:  # noqa: ARG001
    """Keep coordinates, which count from -1 to 1, and renew the size beside them."""
    if not hasattr(leaf, "img_size"):
        return leaf
    # A view of its own: one made by fastai would share the attributes, too.
    with torch._C.DisableTorchFunctionSubclass():
        view = leaf.view_as(leaf)
    points = view.as_subclass(type(leaf))
    # Width first, as fastai's PointScaler has it.
    vars(points).update(vars(leaf) | {"img_size": request.size[::-1]})
    return points


def _check_full(leaf: Tensor, name: str, request: Request) -> None:
    """Refuse a target that does not cover the images pixel by pixel."""
    full = request.full
    if leaf.shape[-2:] != full:
        raise ValueError(
            f"{name} must have the full size of the images, shape "
            f"(..., {full[0]}, {full[1]}), not {tuple(leaf.shape)}: resize it "
            'yourself, or give it the policy "keep"'
        )


POLICIES: dict[str, Callable[[Tensor, str, Request], Tensor] | None] = {
    "image": _resize_map,
    "keep": None,
    "mask": _resize_mask,
}
_ROLES = {
    INPUT: _resize_image,
    CANDIDATE: _resize_candidate,
    POINTS: _resize_points,
    **POLICIES,
}
