"""Refuse datasets whose transforms do not make images of the full size."""

from __future__ import annotations

from typing import Any

from upsize.loading._transforms._errors import HOW, READS
from upsize.loading._transforms._find import find_pixels
from upsize.loading._transforms._functions import format_transform
from upsize.loading._transforms._held import SLOTS
from upsize.loading._transforms._scale import is_full
from upsize.schedule import Size

__all__ = ["check_transforms"]


def check_transforms(
    dataset: Any, full: Size | None, *, name: str | None = None
) -> None:
    """Refuse a dataset whose transforms do not make images of the full size.

    Args:
        dataset: As :func:`find_pixels` takes it.
        full: The full size; ``None``: something after the dataset makes it.
        name: Name of the dataset in errors; ``None``: its type.

    Raises:
        ValueError: As :func:`find_pixels`; when no transform has a size, or none has
            the full size.
    """
    found = find_pixels(dataset)
    name = type(dataset).__name__ if name is None else name
    if not found:
        held = [
            f"{slot}={value!r}"
            for slot in SLOTS
            if (value := getattr(dataset, slot, None)) is not None
        ]
        function = format_transform(dataset)
        if function is not None:
            held = [f"set_transform({getattr(function, '__name__', function)})"]
        sides = "" if full is None else f"({full.height}, {full.width})"
        raise ValueError(
            f"no transform of {name} has a size that upsize knows (it has "
            f"{', '.join(held) or 'no transform'}): use Resize or RandomResizedCrop of "
            "torchvision, timm, albumentations or fastai, for images that have the full "
            f"size already as well, as Resize({sides})" + HOW + READS
        )
    if full is not None and not any(
        is_full(getattr(each.owner, each.name), each.measure, full) for each in found
    ):
        sizes = ", ".join(
            f"{type(owner).__name__}.{name}={getattr(owner, name)!r}"
            for owner, name, *_ in found
        )
        raise ValueError(
            f"no transform of {name} makes images of the plan's final_size {full}: "
            f"there are {sizes}; change one of them or final_size" + HOW
        )
