"""Numbers without a type and a policy that may be in pixels of the images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from upsize.resize._coordinates import BOXES, KEYPOINTS, called
from upsize.resize._looks import APART, UNKNOWN, standing
from upsize.resize._parsed_batch import ParsedBatch
from upsize.resize._roles import Role
from upsize.resize._shown import Path, label, spell
from upsize.schedule import Size

__all__ = ["possible_coordinates"]

CAMERA = "a camera matrix"
#: What a policy moves, by the shape that it takes.
_SHAPES = {BOXES: "(..., 4)", KEYPOINTS: "(..., 2) or (..., 3)"}
_COUNTS = {BOXES: (4,), KEYPOINTS: (2, 3)}
_CAMERAS = ((3, 3), (3, 4), (4, 4))


def possible_coordinates(parsed: ParsedBatch[Any], full: Size) -> str | None:
    """Say what is left alone, and looks like coordinates in pixels.

    It reads values, once in a run. Whole numbers are none without a name, and what lies
    between -1 and 1 never is.

    Args:
        parsed: A training batch as it was read.
        full: The full size.

    Returns:
        What it is and how to name it; ``None`` if there is no such leaf.
    """
    images = parsed.size
    # Beside small images only what lies outside of them is known to be wrong.
    least = 2 if images == full else max(images)
    for path, leaf, role in parsed.roles:
        values = _numbers(leaf) if role is None else None
        if values is None or standing(path) == APART:
            continue
        place, kind = called(path)
        if kind is None and standing(path) == UNKNOWN:
            kind, values = _kind_of(values, least)
        if kind is None or not _in_pixels(values, least, full):
            continue
        place = _everywhere(place, parsed.roles)
        of_shape = isinstance(leaf, Tensor) and len(place) == len(path)
        shown = label(place).replace("[Ellipsis]", "[...]")
        shown += f" of shape {tuple(leaf.shape)}" if of_shape else ""
        if images != full:
            return _text_beside_small(shown, place, kind, images, full)
        return _text(shown, place, leaf, kind)
    return None


def _numbers(leaf: Any) -> Tensor | None:
    """Return the numbers of a tensor, an array or a number; ``None``: it has none."""
    if not isinstance(leaf, Tensor):
        is_array = type(leaf).__module__ == "numpy"
        if isinstance(leaf, bool) or not (is_array or isinstance(leaf, int | float)):
            return None
        try:
            leaf = torch.as_tensor(leaf)
        except (TypeError, ValueError, RuntimeError):
            return None  # texts, or a number that no dtype holds
    if leaf.is_nested or leaf.layout is not torch.strided or not leaf.numel():
        return None
    return None if leaf.dtype == torch.bool or leaf.is_complex() else leaf


def _in_pixels(values: Tensor, least: float, full: Size) -> bool:
    low, high = (float(bound) for bound in values.double().aminmax())
    return low >= 0 and least < high <= max(full)


def _kind_of(values: Tensor, least: float) -> tuple[str | None, Tensor]:
    """Return what rows of numbers may be, and the part of them that is in pixels."""
    if values.ndim < 2 or not values.is_floating_point():
        return None, values
    last = values.shape[-1]
    if values.shape[-2:] in _CAMERAS and _are_cameras(values):
        return CAMERA, values
    if last == 4:
        return BOXES, values
    # Three may be a colour, but not in rows of rows.
    if last == 2 or (values.ndim == 3 and last == 3):
        return KEYPOINTS, values
    if values.ndim == 2 and last in (5, 6):
        # Boxes after the number of their image and a class, or before it and a score.
        for start in (0, last - 4):
            boxes = values[:, start : start + 4]
            others = torch.cat([values[:, :start], values[:, start + 4 :]], dim=1)
            is_other = (others == others.round()) | (others.abs() <= 1)
            if is_other.all() and (boxes.amax(0) > least).all():
                return BOXES, boxes
    return None, values


def _are_cameras(values: Tensor) -> bool:
    """Whether matrices are those of cameras, with a focal length in pixels."""
    rows, columns = values.shape[-2:]
    last = torch.eye(columns, dtype=values.dtype, device=values.device)[rows - 1]
    lengths = torch.stack([values[..., 0, 0], values[..., 1, 1]])
    return bool((values[..., -1, :] == last).all() & (lengths > 2).all())


def _everywhere(place: Path, roles: list[Role]) -> Path:
    """Return a path to the same in every item of a list, if all items have it."""
    for depth, key in enumerate(place):
        before, after = place[:depth], place[depth + 1 :]
        if not isinstance(key, int) or not (depth or after):
            continue
        inside = [path for path, _, _ in roles if path[:depth] == before]
        items = {path[depth] for path in inside}
        alike = [path for path in inside if path[depth + 1 : len(place)] == after]
        if len(items) > 1 and items == {path[depth] for path in alike}:
            return (*before, ..., *after)
    return place


def _text(shown: str, place: Path, leaf: Any, kind: str) -> str:
    stays = (
        f"{shown} may hold {kind} in pixels, and stays as it is when the "
        "images shrink: "
    )
    if kind == CAMERA:
        return (
            f"{stays}multiply its first row by the ratio of the widths, and its second "
            f"by that of the heights, where you use it, and say targets={{{spell(place)}: "
            '"keep"}'
        )
    is_movable = isinstance(leaf, Tensor) and leaf.shape[-1:] in [
        (count,) for count in _COUNTS[kind]
    ]
    if is_movable:
        return (
            f'{stays}say targets={{{spell(place)}: "{kind}"}} in the resizer, or '
            '"keep" if they are not in pixels'
        )
    return (
        f"{stays}no policy moves them in this form, so give them as a tensor of their "
        f'own, of shape {_SHAPES[kind]}, with the policy "{kind}", or say '
        f'targets={{{spell(place)}: "keep"}} if they are not in pixels'
    )


def _text_beside_small(
    shown: str, place: Path, kind: str, images: Size, full: Size
) -> str:
    return (
        f"{shown} may hold {kind} of the full size {full}, but the loader "
        f"has made its images small, {images}: multiply them by the size over the full "
        "size of upsize.loading.current_size() in the dataset, or say "
        f'targets={{{spell(place)}: "keep"}} if they are not in pixels'
    )
