"""Batches of one loader, concatenated to a larger one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from upsize.resize import Resizer
from upsize.resize._container_types import children_of, rebuild
from upsize.resize._shown import Path, label
from upsize.run._per_image import Images, counts_images, is_array, is_per_image
from upsize.schedule._shown import shown

__all__ = ["images_of", "joined"]

_SAMPLED = (
    "give the loader to sized(), whose collate_fn then makes the larger batch, or leave "
    "out merge="
)
_CURE = "give it a row or an item for each image, or leave out merge="
# Columns of packed boxes: image, class and box, perhaps with an angle.
_PACKED = (6, 7)
_NUMBERS = frozenset(
    {"batch_idx", "batch_index", "image_idx", "image_index", "img_idx"}
)


def images_of(batch: Any, resizer: Resizer) -> Images:
    """Count the images of a batch.

    Args:
        batch: The batch.
        resizer: Finds its images.

    Raises:
        ValueError: When they have no batch dimension. As the resizer does, when there
            are none.

    Example:
        >>> images_of((torch.rand(4, 3, 32, 32), torch.zeros(4)), Resizer()).number
        4
    """
    found = resizer.read(batch)
    if found.listed is not None:
        return Images(len(found.listed.sizes), found.path, found.listed.path)
    if found.first.ndim < 4:
        raise ValueError(
            f"merge= concatenates batches, and {label(found.path)} has no batch "
            f"dimension (shape {tuple(found.first.shape)}): give batches of images (N, "
            "C, H, W), or leave out merge="
        )
    return Images(found.first.shape[0], found.path, None)


class _CannotJoinError(Exception):
    """Says what cannot be concatenated, without a cure."""


def joined(
    batches: Sequence[Any], images: Images | None, *, is_sampled: bool = True
) -> Any:
    """Return the samples of several batches as one batch.

    Tensors and arrays are concatenated along their first dimension, and lists with an
    item for each image behind each other. Other values must be the same in each batch.

    Args:
        batches: Batches with the same containers, at least one.
        images: What :func:`images_of` says of each; of no matter for one batch.
        is_sampled: Whether a sized loader would make the larger batch itself.

    Raises:
        ValueError: When something cannot be concatenated; names it.

    Example:
        >>> one = {"image": torch.rand(2, 3, 32, 32), "name": ["a", "b"], "fold": 3}
        >>> both = joined([one, one], images_of(one, Resizer()))
        >>> both["image"].shape, both["name"], both["fold"]
        (torch.Size([4, 3, 32, 32]), ['a', 'b', 'a', 'b'], 3)
    """
    if len(batches) == 1:
        return batches[0]
    assert images is not None
    try:
        return _joined(list(batches), (), images)
    except _CannotJoinError as error:
        cure = _SAMPLED if is_sampled else _CURE
        raise ValueError(f"{error}; {cure}") from error.__cause__


def _joined(values: list[Any], path: Path, images: Images) -> Any:
    """Return the values that several batches have at a place as one."""
    first = values[0]
    if any(type(value) is not type(first) for value in values):
        names = ", ".join(dict.fromkeys(type(value).__name__ for value in values))
        raise _refused(path, f"has several types ({names})")
    if isinstance(first, Tensor) or is_array(first):
        return _concatenated(values, path, images)
    held = [children_of(value) for value in values]
    if held[0] is None:
        return _same(values, path, images)
    per_image = is_per_image(values, path, images)
    if per_image is None:
        raise _refused(
            path,
            f"has {images.number} items with {images.number} rows each, so it has either "
            f"an item for each of the {images.number} images, or one for each kind of "
            "target",
        )
    if per_image:
        items = [item for value in values for item in value]
        return type(first)(items)
    keys = list(held[0])
    if any(list(each or ()) != keys for each in held):
        raise _refused(path, f"holds other keys than {shown(keys)}")
    children = {
        key: _joined([each[key] for each in held if each], (*path, key), images)
        for key in keys
    }
    changed = {key: new for key, new in children.items() if new is not held[0][key]}
    try:
        return rebuild(first, held[0], changed) if changed else first
    except Exception as error:  # the container's own methods may raise anything
        raise _refused(path, f"cannot be made again ({error})") from error


def _concatenated(values: list[Any], path: Path, images: Images) -> Any:
    """Return tensors or arrays with a row for each image as one; others must be equal."""
    first = values[0]
    if any(value.ndim == 0 or len(value) != images.number for value in values):
        if all(_equal(value, first) for value in values[1:]):
            return _same(values, path, images)
        shapes = ", ".join(str(tuple(value.shape)) for value in values[:4])
        raise _refused(
            path,
            f"has no row for each of the {images.number} images of a batch (shapes "
            f"{shapes})",
        )
    if any(value.shape[1:] != first.shape[1:] for value in values):
        shapes = ", ".join(str(tuple(value.shape)) for value in values[:4])
        raise _refused(path, f"has other shapes in each batch ({shapes})")
    if any(value.dtype != first.dtype for value in values):
        kinds = ", ".join(dict.fromkeys(str(value.dtype) for value in values))
        raise _refused(path, f"has several dtypes ({kinds})")
    if _numbers_images(first, path, images.number):
        raise _refused(
            path,
            "numbers the images of its batch, as packed targets do, and another batch "
            "begins at 0 again",
        )
    if not isinstance(first, Tensor):
        return sys.modules["numpy"].concatenate(values)
    if type(first) is Tensor:
        return torch.cat(values)
    if any(vars(value) != vars(first) for value in values):
        raise _refused(path, f"is a {type(first).__name__} with other attributes")
    new = torch.cat([value.as_subclass(Tensor) for value in values])
    typed = new.as_subclass(type(first))
    vars(typed).update(vars(first))
    return typed


def _numbers_images(value: Any, path: Path, images: int) -> bool:
    """Return whether rows say which image of the batch they belong to.

    Packed targets have as many rows as images by chance only: the first column of boxes
    in YOLO's format, or a vector that is named so.
    """
    if value.ndim == 2 and value.shape[1] in _PACKED:
        column = value[:, 0]
        if images == 1 or bool((column[1:] < column[:-1]).any()):
            return False
    elif value.ndim <= 2 and path and path[-1] in _NUMBERS:
        column = value.reshape(-1)
    else:
        return False
    return bool(((column >= 0) & (column < images) & (column == column // 1)).all())


def _same(values: list[Any], path: Path, images: Images) -> Any:
    """Return what is the same in every batch, and so is right for all of them."""
    first = values[0]
    if counts_images(first, images.number):
        raise _refused(
            path,
            f"is {images.number}, as many as a batch has images, and a merged batch has "
            "more",
        )
    if all(value is first or _equal(value, first) for value in values):
        return first
    raise _refused(path, f"differs ({shown(first)} in the first batch)")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one.shape == other.shape and bool(torch.equal(one, other))
    if is_array(one):
        return bool(sys.modules["numpy"].array_equal(one, other))
    try:
        return bool(one == other)
    except Exception:  # of a type of the user's
        return False


def _refused(path: Path, problem: str) -> _CannotJoinError:
    return _CannotJoinError(
        f"merge= cannot concatenate the batches of this loader: {label(path)} {problem}"
    )
