"""Which attributes of a framework's objects a training has changed."""

from __future__ import annotations

from typing import Any

from fastcore.foundation import L
from torch import nn

__all__ = ["Snapshot"]

_NONE = object()
_PLAIN = (int, float, str, bytes, tuple, type(None))


class Snapshot:
    """Compares the attributes of objects before and after; public and private ones."""

    def __init__(self) -> None:
        self._objects: list[tuple[str, Any, dict[str, Any]]] = []
        self.changed: set[str] = set()

    def take(self, **objects: Any) -> None:
        """Note the attributes of objects, and of all the parts of a module."""
        for name, each in objects.items():
            parts = (
                dict(each.named_modules())
                if isinstance(each, nn.Module)
                else {"": each}
            )
            for path, part in parts.items():
                label = f"{name}.{path}" if path else name
                self._objects.append((label, part, _attributes(part)))

    def end(self) -> None:
        """Compare; a second time it does nothing."""
        for label, each, before in self._objects:
            after = _attributes(each)
            for name in before.keys() | after.keys():
                one, other = before.get(name, _NONE), after.get(name, _NONE)
                if not _same(one, other):
                    self.changed.add(f"{label}.{name}")
        self._objects.clear()


def _attributes(each: Any) -> dict[str, Any]:
    return {
        name: value.copy() if isinstance(value, (dict, list, set, L)) else value
        for name, value in vars(each).items()
    }


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, (list, L)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, (set, *_PLAIN)):
        return bool(one == other)
    # A bound method is another object each time that it is asked for.
    return getattr(one, "__func__", one) is getattr(other, "__func__", other)
