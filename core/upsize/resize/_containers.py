"""Walk a batch and rebuild it: any nesting of containers, never changed in place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

__all__ = ["Path", "find", "item_of", "label", "leaves", "node_at", "replace", "spell"]

Path: TypeAlias = tuple[Hashable, ...]
# What most leaves are: they skip the slower questions, in every batch of a training.
_PLAIN = frozenset({Tensor, str, int, float, bool, bytes, type(None)})


def leaves(batch: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """List every (path, value) of ``batch`` that is no container, in order."""
    children = _children(batch)
    if children is None:
        return [(path, batch)]
    found: list[tuple[Path, Any]] = []
    for key, value in children:
        if type(value) in _PLAIN:
            found.append(((*path, key), value))
        else:
            found += leaves(value, (*path, key))
    return found


def find(batch: Any, path: Path, name: str) -> list[Path]:
    """Return ``path`` as :func:`leaves` spells it, or say which keys are there.

    An index may be negative; a field of a named tuple may be named or counted; ``...``
    is every item of a container, which may be several paths, or none.
    """
    found: list[tuple[Path, Any]] = [((), batch)]
    for step in path:
        found = [
            child
            for here, node in found
            for child in _step(node, step, here, path, name)
        ]
    return [here for here, _ in found]


def item_of(batch: Any, path: Path, beside: Path, length: int) -> int | None:
    """Return which item of a list of ``length`` the leaf at ``path`` is in.

    The outermost such list counts that does not hold what is at ``beside``; None where
    there is none.
    """
    node = batch
    for depth, step in enumerate(path):
        listed = isinstance(node, tuple | list) and isinstance(step, int)
        if listed and len(node) == length and path[:depth] != beside[:depth]:
            return step  # type: ignore[return-value]
        node = dict(_children(node) or ())[step]
    return None


def replace(batch: Any, values: Mapping[Path, Any], path: Path = ()) -> Any:
    """Return ``batch`` with other ``values`` at some paths.

    A container in which nothing changes is returned itself.
    """
    if path in values:
        return values[path]
    changed = {
        key: new
        for key, old in _children(batch) or ()
        if (new := replace(old, values, (*path, key))) is not old
    }
    return _rebuild(batch, changed) if changed else batch


def spell(path: Path) -> str:
    """Write ``path`` as the user would in ``images=`` and ``targets=``."""
    steps = ["..." if step is ... else repr(step) for step in path]
    return steps[0] if len(steps) == 1 else f"({', '.join(steps)})"


def label(path: Path) -> str:
    """Write ``path`` for a message, as the place inside the batch."""
    return "batch" + "".join(f"[{key!r}]" for key in path)


def node_at(batch: Any, path: Path) -> Any:
    """Return what is at ``path``, as :func:`leaves` spells it."""
    for step in path:
        batch = dict(_children(batch) or ())[step]
    return batch


def _step(
    node: Any, step: Hashable, here: Path, path: Path, name: str
) -> list[tuple[Path, Any]]:
    """Go on from ``node`` by one ``step`` of a path, to one child or to all."""
    children = _children(node)
    if children is None:
        raise LookupError(
            f"{name} names {spell(path)}, but {label(here)} is no container: it is a "
            f"{type(node).__name__}"
        )
    inside = dict(children)
    if step is ...:
        return [((*here, key), child) for key, child in inside.items()]
    key = step
    if isinstance(node, tuple | list) and isinstance(step, int):
        is_there = -len(inside) <= step < len(inside)
        key = list(inside)[step] if is_there else step
    if key not in inside:
        raise LookupError(
            f"{name} names {spell(path)}, but {label(here)} has no {key!r}: its keys "
            f"are {list(inside)}"
        )
    return [((*here, key), inside[key])]


def _children(node: Any) -> Iterable[tuple[Hashable, Any]] | None:
    """Give the (key, value) pairs of a container; None for anything else."""
    if type(node) in _PLAIN:
        return None
    if isinstance(node, tuple | list):
        names = getattr(node, "_fields", None)
        return zip(names, node, strict=True) if names else enumerate(node)
    if isinstance(node, Mapping):
        return node.items()
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        names = [field.name for field in dataclasses.fields(node)]
        return [(name, getattr(node, name)) for name in names if hasattr(node, name)]
    return None


def _rebuild(node: Any, changed: dict[Hashable, Any]) -> Any:
    """Return a new container like ``node``, with the values in ``changed``."""
    if isinstance(node, tuple):
        values = [changed.get(key, value) for key, value in _children(node) or ()]
        named: Any = getattr(node, "_make", None)
        return named(values) if named else _construct(node, values)
    if isinstance(node, list):
        new = copy.copy(node)
        for key, value in changed.items():
            new[key] = value  # type: ignore[call-overload]
        return new
    if isinstance(node, Mapping):
        return _rebuild_mapping(node, changed)
    # copy, not dataclasses.replace: fields with init=False and __post_init__.
    new = copy.copy(node)
    for key, value in changed.items():
        object.__setattr__(new, key, value)  # type: ignore[arg-type]  # frozen, too
    return new


def _rebuild_mapping(node: Any, changed: dict[Hashable, Any]) -> Any:
    """Return a new mapping like ``node``, with the values in ``changed``."""
    if isinstance(node, dict):
        new = copy.copy(node)
    elif hasattr(node, "clone"):  # a TensorDict
        new = node.clone(recurse=False)
    elif hasattr(type(node), "__copy__"):  # a UserDict
        new = copy.copy(node)
    else:
        # The default copy of other mappings shares their storage with the original.
        return _construct(node, {**node, **changed})
    for key, value in changed.items():
        new[key] = value
    return new


def _construct(node: Any, values: Any) -> Any:
    """Call the type of ``node`` with ``values``."""
    kind = type(node)
    try:
        return kind(values)
    except TypeError as error:
        raise TypeError(
            f"cannot rebuild a {kind.__name__} with resized images: its constructor "
            f"must take one {type(values).__name__} of what it holds"
        ) from error
