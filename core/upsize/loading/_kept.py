"""Caches that would give an image decoded for one size to a batch of another."""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakValueDictionary

from torch.utils.data import Dataset

from upsize.loading._transforms._functions import methods_of, referred
from upsize.schedule import Size
from upsize.schedule._warn import warn

__all__ = ["KEPT", "ReducedImages", "check_caches"]

_CURE = "make upsize.loading.current_size() part of its key, or cache the bytes of the files"
_READS = frozenset({"open_image", "current_size"})
_MOST = 256  # objects that are looked into
_Cache = functools._lru_cache_wrapper


def check_caches(dataset: Any) -> None:
    """Refuse a dataset that caches what it decodes for the current size.

    Args:
        dataset: A map-style dataset. Those inside are searched as well.

    Raises:
        ValueError: For a ``functools.lru_cache`` or ``cache`` of a function of one
            argument, the path or the index, that calls :func:`open_image` or
            :func:`current_size`.
    """
    for value in _caches(dataset, set()):
        if _reads_size(value.__wrapped__, set()):
            name = getattr(value, "__name__", "function")
            raise ValueError(
                f"{type(dataset).__name__} caches the results of {name}, and an image "
                f"that is kept at a smaller size would be used at full size: {_CURE}"
            )


def _caches(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the caches in what a dataset, or a function of it, refers to."""
    if id(value) in seen or len(seen) > _MOST:
        return
    if isinstance(value, _Cache):
        yield value
    parts = _parts(value)
    if parts:
        seen.add(id(value))
    for each in parts:
        yield from _caches(each, seen)


def _parts(value: Any) -> list[Any]:
    """Return what a dataset or a function refers to."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, FunctionType):
        return [each for held in referred(value) for each in held.values()]
    if isinstance(value, list | tuple):
        return [each for each in value[:_MOST] if callable(each) or _is_dataset(each)]
    if isinstance(value, type) or not (callable(value) or _is_dataset(value)):
        return []
    kind: Any = type(value)
    of_classes = (each for cls in kind.__mro__ for each in vars(cls).values())
    caches = (each for each in of_classes if isinstance(each, _Cache))
    held = getattr(value, "__dict__", {}).values()
    return [*held, *caches, *methods_of(value)]


def _is_dataset(value: Any) -> bool:
    return isinstance(value, Dataset) or hasattr(type(value), "__getitems__")


def _reads_size(function: Any, seen: set[int]) -> bool:
    """Return whether a function of one argument reads the size by itself."""
    if not callable(function) or id(function) in seen:
        return False
    first = not seen
    seen.add(id(function))
    if first and _arguments(function) > 1:
        return False  # the size may be one of them
    if isinstance(function, functools.partial):
        return _reads_size(function.func, seen)
    if type(function).__module__.partition(".")[0] == "upsize":
        return True  # RandomResizedCropDecode
    if not isinstance(function, FunctionType):
        return False
    if function.__name__ in _READS and function.__module__.startswith("upsize."):
        return True
    if _READS.intersection(function.__code__.co_names):
        return True
    return any(
        _reads_size(each, seen) for held in referred(function) for each in held.values()
    )


def _arguments(function: Any) -> int:
    """Return how many arguments a function must be given, beside ``self``."""
    parameters = inspect.signature(function).parameters.values()
    return sum(
        each.default is each.empty
        and each.name != "self"
        and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        for each in parameters
    )


class ReducedImages:
    """Notices reduced images that are still there when the size is another one.

    It holds none of them. Those of the last batch do not count: it may be in use.
    """

    def __init__(self) -> None:
        self._recent: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._older: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._size: Size | None = None
        self._told = False

    def add(self, image: Any) -> None:
        """Remember an image that was decoded at less than its full size."""
        self._recent[id(image)] = image

    def begin(self, size: Size) -> None:
        """Begin a batch of a size.

        Warns:
            UserWarning: Once, when images of another size are kept.
        """
        if size != self._size:
            self._tell(size)
            self._size = size
        if self._recent:
            self._older.update(self._recent)
            self._recent.clear()

    def _tell(self, size: Size) -> None:
        if self._told or not self._older:
            self._older.clear()
            return
        gc.collect()  # what only refers to itself is not kept
        kept = len(self._older)
        self._older.clear()
        if kept:
            self._told = True
            warn(
                f"{kept} images that were decoded for {self._size} are still in memory "
                f"at {size}; a cache that keeps them by their path gives images of "
                f"the wrong size: {_CURE}"
            )


KEPT = ReducedImages()
