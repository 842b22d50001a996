"""Find what a model, a transform or a dataset holds that may regularise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["held_by", "is_a"]

# Where compositions and datasets keep their transforms, and loaders their datasets.
_SLOTS = ("transform", "transforms", "dataset", "datasets", "collate_fn")
_MOST = 64  # a longer list holds samples, not transforms


def is_a(value: Any, package: str, name: str) -> bool:
    """Say whether a value is of a class by its name, of which nothing is imported."""
    return any(
        cls.__name__ == name and cls.__module__.partition(".")[0] == package
        for cls in type(value).__mro__
    )


def held_by(value: Any) -> Iterator[Any]:
    """Yield a value and what it holds: submodules, and transforms of compositions.

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
    """Refuse a loader whose transforms are copied into other processes."""
    if is_a(value, "torch", "DataLoader") and value.num_workers > 0:
        raise ValueError(
            f"the loader makes its samples in {value.num_workers} worker processes, "
            "whose transforms are copies that do not change: use num_workers=0 or "
            "transforms of the batch; a transform that is given by itself counts for "
            "the workers that start after a change, those of the next epoch"
        )
