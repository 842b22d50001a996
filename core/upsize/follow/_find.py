"""Find the modules and transforms inside models, transforms, datasets and loaders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["held_by", "is_a"]

# Attributes that hold the transforms of compositions and datasets, and loaders' data.
_SLOTS = ("transform", "transforms", "dataset", "datasets", "collate_fn")
_MOST = 64  # a longer list holds samples, not transforms


def is_a(value: Any, package: str, name: str) -> bool:
    """Whether a value is an instance of a class, given by name without importing it."""
    return any(
        cls.__name__ == name and cls.__module__.partition(".")[0] == package
        for cls in type(value).__mro__
    )


def held_by(value: Any) -> Iterator[Any]:
    """Yield a value, its submodules and the transforms that it holds.

    Raises:
        ValueError: For a loader with worker processes.
    """
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, list | tuple | dict):
            if len(each) <= _MOST:
                waiting += each.values() if isinstance(each, dict) else each
            continue
        _check_workers(each)
        yield each
        own = getattr(each, "__dict__", {})
        waiting += own.get("_modules", {}).values()
        waiting += [own[slot] for slot in _SLOTS if slot in own]


def _check_workers(value: Any) -> None:
    """Refuse a loader whose transforms are copied to worker processes."""
    if is_a(value, "torch", "DataLoader") and value.num_workers > 0:
        raise ValueError(
            f"the loader has {value.num_workers} worker processes, which use copies of "
            "its transforms that do not change: use num_workers=0 or batch transforms; "
            "or pass the transform itself, which workers that start after a change "
            "use, from the next epoch on"
        )
