"""Whether a sample has anything in pixels of its image beside the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from numbers import Real
from typing import Any

__all__ = ["has_positions"]

_TYPED = ("BoundingBoxes", "KeyPoints", "Mask")  # of torchvision's tv_tensors
# Single numbers of a dictionary, two of which make a place.
_NAMED = (
    "x", "y", "cx", "cy", "x1", "y1", "x2", "y2", "x_min", "y_min", "xmin", "ymin",
    "left", "top",
)  # fmt: skip


def has_positions(sample: Any) -> bool:
    """Return whether a sample may have boxes, keypoints, masks or the like.

    Images, classes and texts have none, nor numbers that are all 0 or 1, or add up to 1,
    as of several labels or smoothed ones. Any other list or array of numbers may.

    Args:
        sample: As a dataset returns it, of any type.

    Example:
        >>> import torch
        >>> image = torch.rand(3, 32, 32)
        >>> has_positions((image, 7)), has_positions((image, {"boxes": [[4, 4, 9, 9]]}))
        (False, True)
    """
    images = 0
    masks = 0
    for leaf in _leaves(sample):
        kind = _kind(leaf)
        if kind == "positions":
            return True
        images += kind in ("image", "grey")
        masks += kind == "grey"
    # One alone is the image itself, and so are several of them without another.
    return 0 < masks < images


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield [value[name] for name in _NAMED if isinstance(value.get(name), Real)]
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple) and not _is_numbers(value):
        for each in value:
            yield from _leaves(each)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _leaves(getattr(value, each.name))
    else:
        yield value


def _kind(leaf: Any) -> str:
    """Return what a leaf may be: "image", "grey", "positions" or "other"."""
    if type(leaf).__name__ in _TYPED:
        return "positions"
    if isinstance(leaf, list | tuple):
        return "other" if _is_labels(leaf) else "positions"
    if hasattr(leaf, "getbands"):  # of Pillow
        return "image" if len(leaf.getbands()) > 1 else "grey"
    shape = getattr(leaf, "shape", None)
    if shape is None or len(shape) == 0:
        return "other"
    if len(shape) == 1:
        values = leaf.tolist()
        return "other" if not _is_numbers(values) or _is_labels(values) else "positions"
    if len(shape) == 2:
        return "positions" if min(shape) <= 8 else "grey"  # of points or boxes
    colours = 3 in (shape[-3], shape[-1]) or 4 in (shape[-3], shape[-1])
    return "image" if colours else "grey"


def _is_numbers(values: Any) -> bool:
    return len(values) > 0 and all(isinstance(each, Real) for each in values)


def _is_labels(values: Any) -> bool:
    """Return whether numbers are those of labels: hot ones, or probabilities."""
    if len(values) <= 1 or all(each in (0, 1) for each in values):
        return True
    return all(0 <= each <= 1 for each in values) and abs(sum(values) - 1) < 1e-3
