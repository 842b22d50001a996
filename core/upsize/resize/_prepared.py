"""Batches of a loader that makes small images: targets may still be at full size."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from upsize.resize._change import SizeChange
from upsize.resize._coordinates import BOXES, KEYPOINTS, coordinates
from upsize.resize._looks import APART, standing
from upsize.resize._parsed_batch import ParsedBatch
from upsize.resize._policies import INPUT, POINTS, resize_leaf
from upsize.resize._scaled import parse_scale
from upsize.resize._shown import label, spell
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio

__all__ = ["check_targets", "has_targets", "resize_prepared"]


def has_targets(parsed: ParsedBatch[Any]) -> bool:
    """Whether a batch holds anything that follows the first of its images."""
    first = parsed.first
    return any(
        role not in (None, "keep") and leaf is not first
        for _, leaf, role in parsed.roles
    )


def resize_prepared(
    parsed: ParsedBatch[Any], size: Size, full: Size, step: int = 0
) -> Any:
    """Return a batch at ``size``, whose loader has made some of it small already.

    Args:
        parsed: The batch as it was read.
        size: The size of the step.
        full: The full size. What has it is resized, whatever size the images have;
            typed boxes and points with this canvas are scaled.
        step: The step.

    Raises:
        TypeError, ValueError: As the call of a resizer; for targets of the full size
            beside windows that the loader has cut.
    """
    mode, antialias, *_ = parsed.rules
    if parsed.rules.seed is not None:
        _check_uncut(parsed, full)
        if parsed.size == size:
            return parsed.replaced({})  # cut, and so are its boxes and points
        return parsed.at(size, step=step)
    images, changed = parsed.size, {}
    for path, leaf, role in parsed.roles:
        if not role or role == "keep" or leaf is None:
            continue
        own = _own_size(leaf, role, images)
        if images == size and role == POINTS:
            continue  # they count from -1 to 1
        if role == INPUT and own not in (images, full):
            if images == size or own == size:
                continue  # a crop with a size of its own
            share = in_ratio(Size(*own), size, of=images)
            change = SizeChange(share, own, own, mode, antialias)
        else:
            # Anything but these two is refused, as one that belongs to another image.
            of = full if own == _size_of(role, full) else images
            image = of if role in (BOXES, KEYPOINTS) else images
            change = SizeChange(size, of, image, mode, antialias)
        new = resize_leaf(role, leaf, path, change)
        if new is not leaf:
            changed[path] = new
    return parsed.replaced(changed)


def _check_uncut(parsed: ParsedBatch[Any], full: Size) -> None:
    """Refuse targets of the full size beside windows of another size."""
    images = parsed.size
    for path, leaf, role in parsed.roles:
        if images == full or role in (None, "keep", INPUT) or leaf is None:
            continue
        if _own_size(leaf, str(role), images) == _size_of(str(role), full):
            raise ValueError(
                f"{label(path)} belongs to images of the full size {full}, but the "
                f"loader has cut windows of {images} out of them at places that upsize "
                "does not know: let the dataset cut both, or neither"
            )


def check_targets(parsed: ParsedBatch[Any], full: Size) -> None:
    """Refuse targets that belong to the full size, beside small images.

    Args:
        parsed: The batch as it was read, with images that its loader has made small.
        full: The full size.

    Raises:
        ValueError: For a tensor without a role that has the full size; for plain boxes
            and points, by their role or their name, in pixels of the full size.
    """
    images = parsed.size
    for path, leaf, role in parsed.roles:
        if not isinstance(leaf, Tensor) or leaf.is_nested:
            continue
        covers = leaf.ndim > 2 and tuple(leaf.shape[-2:]) == full
        if role is None and covers and standing(path) != APART:
            raise ValueError(
                f"{label(path)} of shape {tuple(leaf.shape)} has the full size {full}, "
                f"but the loader has made its images small, {images}: say what it is, "
                f'as in targets={{{spell(path)}: "mask"}}, or "keep" if it does not '
                "cover the images"
            )
        # Beside a window, they may well lie outside of it.
        cuts = parsed.rules.seed is not None
        kind = None if cuts else coordinates(path, leaf, role)
        if kind and (first := _first_of_full(kind, leaf, images, full)):
            raise ValueError(
                f"{label(path)} of shape {tuple(leaf.shape)} has {kind} outside of "
                f"their images, which the loader has made small, {images}, but inside "
                f"the full size {full}, the first is {first}: multiply them by the "
                "size over the full size of upsize.loading.current_size() in the "
                "dataset, or let it return torchvision's BoundingBoxes or KeyPoints "
                f"with their canvas_size, or say targets={{{spell(path)}: "
                '"keep"} if they are not in pixels'
            )


def _own_size(leaf: Any, role: str, images: Size) -> Any:
    """Return the size that a leaf has, or that of the image it belongs to."""
    if role in (BOXES, KEYPOINTS):
        return tuple(getattr(leaf, "canvas_size", images))
    return tuple(leaf.shape[-2:]) if isinstance(leaf, Tensor) else ()


def _size_of(role: str, full: Size) -> tuple[int, int] | None:
    """Return the size of a leaf beside images of the full size."""
    scale = parse_scale(role)  # "mask/4"
    return full if scale is None else scale.of(full)


def _first_of_full(kind: str, leaf: Tensor, images: Size, full: Size) -> Any:
    """Return the first box or point in pixels of the full size, if there is one."""
    rows = leaf.reshape(-1, leaf.shape[-1])
    if kind == KEYPOINTS and rows.shape[-1] == 3:
        rows = rows[rows[:, 2] > 0, :2]  # seen
    places = rows.reshape(len(rows), -1, 2)
    small, large = (places.new_tensor((of.width, of.height)) for of in (images, full))
    wrong = (places > small + 1).any(-1).any(-1)
    # They may lie outside of their image: but then some lie further out, or before it.
    inside = ((places >= -1) & (places <= large + 1)).all()
    found = rows[wrong & inside]
    return found[0].tolist() if len(found) else None
