"""What a batch has for each image, where neither type nor length alone says so."""

from __future__ import annotations

import operator
import sys
from typing import Any, NamedTuple

from torch import Tensor

from upsize.resize._shown import Path

__all__ = ["Images", "counts_images", "is_array", "is_per_image"]


class Images(NamedTuple):
    """How many images a batch has, where the first is, and the list that they are in."""

    number: int
    path: Path
    listed: Path | None


def is_per_image(values: list[Any], path: Path, images: Images) -> bool | None:
    """Return whether a list has an item for each image, and not one for each kind.

    Args:
        values: The lists that several batches have at a place.
        path: The place.
        images: What each batch has of images.

    Returns:
        ``None`` where it may be either: it has an item for each image, and each item has
        a row for each image. So torch collates samples with two labels, in batches of 2.
    """
    first = values[0]
    if type(first) not in (list, tuple) or len(first) != images.number:
        return False
    if images.listed is not None and path == images.listed:
        return True
    if path == images.path[: len(path)]:
        return False  # the images are in one of its items
    items = [item for value in values for item in value]
    if images.listed is not None or any(_rows(item) != images.number for item in items):
        return True
    kinds = {(type(item), *_shape(item)) for item in items}
    return None if len(kinds) == 1 else False


def _rows(item: Any) -> int | None:
    """Return the rows of a tensor, an array or a list; ``None``: it has none."""
    if isinstance(item, Tensor) or is_array(item):
        return len(item) if item.ndim else None
    return len(item) if type(item) in (list, tuple) else None


def _shape(item: Any) -> tuple[Any, ...]:
    return () if type(item) in (list, tuple) else (item.dtype, item.ndim)


def counts_images(value: Any, images: int) -> bool:
    """Return whether a value is the number of images in its batch, as far as it shows.

    Example:
        >>> import torch
        >>> [counts_images(value, 8) for value in (8, torch.tensor([8]), 8.0, 7, "8")]
        [True, True, False, False, False]
    """
    if isinstance(value, Tensor) or is_array(value):
        is_one = (value.size if is_array(value) else value.numel()) == 1
        value = value.reshape(-1)[0].item() if is_one else None
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        return False
    return operator.index(value) == images


def is_array(value: Any) -> bool:
    """Return whether a value is an array of NumPy, which is not imported for it."""
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)
