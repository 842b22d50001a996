"""Sized datasets in loaders that give their batches no size."""

from __future__ import annotations

from typing import Any

from upsize.schedule import Size

__all__ = ["check_sizes_asked", "is_sized"]

# Of the class of a dataset that makes the samples of a batch at its size.
_MARK = "_upsize_makes_sizes"
_DEPTH = 8


def is_sized(dataset: Any, depth: int = _DEPTH) -> bool:
    """Return whether a dataset, or one that it is made of, is that of a sized loader.

    Args:
        dataset: Any object. Datasets keep others as ``dataset`` or ``datasets``.
        depth: How many of them may lie within each other.

    Example:
        >>> is_sized([1, 2, 3])
        False
    """
    # Not of the object, which says of itself what the dataset inside says.
    if getattr(type(dataset), _MARK, False):
        return True
    held = getattr(dataset, "__dict__", {})
    inner = [held["dataset"]] if "dataset" in held else []
    if isinstance(several := held.get("datasets"), list | tuple):
        inner += several
    return depth > 0 and any(is_sized(each, depth - 1) for each in inner)


def check_sizes_asked(images: Size, size: Size, full: Size) -> None:
    """Refuse full-size images of a sized dataset whose loader asked for no sizes.

    Args:
        images: Size of the images of a batch.
        size: The size of its step.
        full: The full size.

    Raises:
        ValueError: When the loader should have made them smaller.

    Example:
        >>> check_sizes_asked(Size(64, 64), size=Size(64, 64), full=Size(64, 64))
    """
    if size != images == full:
        raise ValueError(
            f"the batches come at {images} where the step needs {size}, though the "
            "dataset is that of a sized loader: its loader was made again after it was "
            "sized, as prepare_data_loader of Ray Train does, or was sized for another "
            "run; size the loader that you iterate, for this run (in Ray Train "
            "upsize.ray.sized(prepare_data_loader(loader), resize))"
        )
