"""Find the transforms of a dataset that carry a size, and set it for some samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

from torch import nn
from torch.utils.data import Dataset

from upsize.loading._kinds import SIZE_LIKE, Axes, is_transform, kind_of
from upsize.run._restoring import Restoring
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio

__all__ = ["Pixels", "check_transforms", "find_pixels", "restoring_sizes"]

_SLOTS = ("transform", "transforms", "target_transform")
_MOST = 64  # a longer list in a dataset holds its samples, not its transforms
_HOW = (
    "; or give sized() a function as set_size=, which is called in the worker before "
    "each batch"
)


class Pixels(NamedTuple):
    """An attribute of a transform that holds pixels at full size."""

    owner: Any
    name: str
    axes: Axes
    reads: bool  # the current size by itself


def find_pixels(dataset: Any) -> list[Pixels]:
    """Return the attributes that hold pixels in a dataset's transforms, in order.

    Args:
        dataset: A map-style dataset. Datasets inside are searched as well, as those of a
            ``Subset`` or ``ConcatDataset``.

    Raises:
        ValueError: For an unknown transform with a size, and a crop without a resize
            before it.
    """
    walk = _Walk()
    walk.dataset(dataset)
    return walk.found


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
            for slot in _SLOTS
            if (value := getattr(dataset, slot, None)) is not None
        ]
        raise ValueError(
            f"no transform of {name} has a size that upsize knows (it has "
            f"{', '.join(held) or 'no transform'}): use Resize or RandomResizedCrop of "
            "torchvision, timm, albumentations or fastai" + _HOW
        )
    if full is not None and not any(_is_full(pixels, full) for pixels in found):
        sizes = ", ".join(
            f"{type(owner).__name__}.{name}={getattr(owner, name)!r}"
            for owner, name, *_ in found
        )
        raise ValueError(
            f"no transform of {name} makes images of the plan's final_size {full}: "
            f"there are {sizes}; change one of them or final_size" + _HOW
        )


@contextmanager
def restoring_sizes(dataset: Any, size: Size, full: Size) -> Iterator[None]:
    """Set the sizes of a dataset's transforms for ``size``, and restore them.

    Args:
        dataset: Dataset with transforms at full size.
        size: Size of the samples that are made inside.
        full: The full size.
    """
    with Restoring() as changes:
        for owner, name, axes, reads in find_pixels(dataset):
            if not reads:
                value = _scaled(getattr(owner, name), axes, size, full)
                changes.set(owner, name, value)
        yield


def _is_full(pixels: Pixels, full: Size) -> bool:
    value = getattr(pixels.owner, pixels.name)
    if pixels.axes in ("height", "width"):
        return bool(value == getattr(full, pixels.axes))
    sides = tuple(value) if isinstance(value, list | tuple) else (value,)
    if pixels.axes == "turned":
        return sides[::-1] == full
    if pixels.axes == "size" and len(sides) == 2:
        return sides == full
    # One side is the shorter or the longer one of an image.
    return pixels.axes != "padding" and (min(full) in sides or max(full) in sides)


def _scaled(value: Any, axes: Axes, size: Size, full: Size) -> Any:
    """Return the pixels of an attribute for ``size``, in the type that they have."""
    if isinstance(value, Integral):
        side = int(value)
        sides = in_ratio((side, side), size, of=full) if side else Size(0, 0)
        if axes == "height":
            return sides.height
        # Of one side for both, the larger: it covers sizes whose sides are rounded.
        return sides.width if axes == "width" else max(sides)
    if axes == "turned":
        return type(value)(_scaled(tuple(value[::-1]), "size", size, full)[::-1])
    if axes == "size" and len(value) == 2:
        height, width = value
        return type(value)(
            (
                _scaled(height, "height", size, full),
                _scaled(width, "width", size, full),
            )
        )
    # Padding as well: libraries differ in the order of its sides.
    return type(value)(_scaled(side, "sides", size, full) for side in value)


class _Walk:
    """Visits the transforms of a dataset in the order in which they apply."""

    def __init__(self) -> None:
        self.found: list[Pixels] = []
        self._seen: set[int] = set()
        self._resized = False

    def dataset(self, dataset: Any) -> None:
        """Look into a dataset, and into those that it wraps."""
        if not self._is_new(dataset):
            return
        self._resized = False
        for name, value in _attributes(dataset):
            if name in _SLOTS:
                self._resized = False
                self._transform(value)
            else:
                self._inside(value)

    def _inside(self, value: Any) -> None:
        """Look for transforms in a value of any kind."""
        if isinstance(value, Dataset):
            self.dataset(value)
        elif is_transform(value):
            self._transform(value)
        elif isinstance(value, nn.Sequential | nn.ModuleList):
            self._inside(list(value))
        elif isinstance(value, list | tuple | dict) and 0 < len(value) <= _MOST:
            for each in value.values() if isinstance(value, dict) else value:
                self._inside(each)

    def _transform(self, transform: Any) -> None:
        """Look into something that is certainly applied to samples."""
        if isinstance(transform, list | tuple | dict | nn.Sequential | nn.ModuleList):
            parts = transform.values() if isinstance(transform, dict) else transform
            for each in parts:
                self._transform(each)
            return
        # The object of a method, unless it is the dataset, which is looked at already.
        transform = getattr(transform, "__self__", transform)
        if isinstance(transform, Dataset) or not self._is_new(transform):
            return
        kind = kind_of(transform)
        if kind is None:
            self._unknown(transform)
            return
        if not kind.resizes and not self._resized:
            raise ValueError(
                f"{_name(transform)} crops without resizing, so a smaller size would "
                "show less of the image, not a smaller image: put a Resize before it"
                + _HOW
            )
        self._resized = self._resized or kind.resizes
        held = dict(_attributes(transform))
        self.found += [
            Pixels(transform, name, axes, kind.reads)
            for name, axes in kind.pixels.items()
            if held.get(name) is not None
        ]

    def _unknown(self, transform: Any) -> None:
        """Look into a composition, and into anything else without a kind."""
        held = dict(_attributes(transform))
        sizes = dict(held)
        if isinstance(transform, partial):
            sizes |= transform.keywords
        for name in SIZE_LIKE:
            value = sizes.get(name, getattr(type(transform), name, None))
            if _is_pixels(value):
                raise ValueError(
                    f"{_name(transform)} has {name}={value!r}, and upsize does not "
                    "know how it takes another size: use a transform of torchvision, "
                    "timm, albumentations or fastai" + _HOW
                )
        for name, value in held.items():
            if name == "transforms":
                self._transform(value)
            else:
                self._inside(value)

    def _is_new(self, value: Any) -> bool:
        new = id(value) not in self._seen
        self._seen.add(id(value))
        return new


def _attributes(value: Any) -> list[tuple[str, Any]]:
    return list(getattr(value, "__dict__", {}).items())


def _is_pixels(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_pixels, value))
    return isinstance(value, Integral) and not isinstance(value, bool)


def _name(transform: Any) -> str:
    cls: Callable[..., Any] = (
        transform.func if isinstance(transform, partial) else type(transform)
    )
    return f"{cls.__module__}.{cls.__qualname__}"
