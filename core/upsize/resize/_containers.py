"""Walk a batch and rebuild it: any nesting of containers, never changed in place.

Every function takes a batch, or what :func:`parse` made of it. Parse a batch to ask
several questions: its containers are then read once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

from upsize.resize._container_types import (
    MOST_LEAVES,
    PLAIN,
    children_of,
    holds_tensors,
    not_a_container,
    reason,
    rebuild,
)
from upsize.resize._shown import Path, label, spell
from upsize.schedule._shown import shown

__all__ = [
    "Leaves",
    "Node",
    "find",
    "item_of",
    "leaves",
    "node_at",
    "parse",
    "replace",
]

Leaves: TypeAlias = list[tuple[Path, Any]]

MOST_CONTAINERS = 100_000
#: Real batches have a handful of levels; each costs frames of the interpreter's stack.
MOST_LEVELS = 100


class Node:
    """A container as it was read, with its children by key: nodes and leaves."""

    __slots__ = ("children", "value")

    def __init__(self, value: Any, children: dict[Hashable, Any]) -> None:
        self.value = value
        self.children = children


class _Reading:
    """What was read of a batch so far, and how much is too much."""

    __slots__ = ("batch", "containers", "leaves")

    def __init__(self, batch: Any) -> None:
        self.batch = batch
        self.leaves: Leaves = []
        self.containers = 0

    def enter(self, path: Path) -> None:
        """Count the container at ``path``, or refuse it."""
        self.containers += 1
        if len(path) > MOST_LEVELS:
            raise ValueError(_too_deep(self.batch, path))

    def leave(self, path: Path) -> None:
        """Refuse what the containers up to ``path`` hold, where there is no end."""
        if self.containers > MOST_CONTAINERS or len(self.leaves) > MOST_LEAVES:
            raise ValueError(
                f"the batch holds more than {MOST_CONTAINERS:,} containers or "
                f"{MOST_LEAVES:,} values, up to {label(path)}: make tensors of its "
                "numbers, or leave out what repeats"
            )


def parse(batch: Any) -> tuple[Any, Leaves]:
    """Read a batch once.

    Returns:
        The batch as a :class:`Node`, or itself if it is not a container; and every
        (path, value) in it that is not a container, in order.

    Raises:
        TypeError: When a container cannot be read.
        ValueError: When a container holds itself, or there are too many.
    """
    reading = _Reading(batch)
    tree = _parse(batch, (), reading)
    return tree, reading.leaves


def leaves(batch: Any) -> Leaves:
    """List every (path, value) of ``batch`` that is not a container, in order."""
    return parse(batch)[1]


def find(batch: Any, path: Path, name: str) -> list[Path]:
    """Return ``path`` as :func:`leaves` spells it, or say which keys are there.

    An index may be negative; a field of a named tuple may be named or counted; ``...``
    is every item of a container, which may be several paths, or none.
    """
    found: Leaves = [((), _parsed(batch))]
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
    node = _parsed(batch)
    for depth, step in enumerate(path):
        listed = isinstance(node.value, (tuple, list)) and isinstance(step, int)
        if listed and len(node.children) == length and path[:depth] != beside[:depth]:
            return step  # type: ignore[return-value]
        node = node.children[step]
    return None


def node_at(batch: Any, path: Path) -> Any:
    """Return what is at ``path``, as :func:`leaves` spells it."""
    node = _parsed(batch)
    for step in path:
        node = node.children[step]
    return _value(node)


def replace(batch: Any, values: Mapping[Path, Any]) -> Any:
    """Return ``batch`` with other ``values`` at some paths.

    A container in which nothing changes is returned itself.
    """
    return _replace(_parsed(batch), values, ())


def _parse(node: Any, path: Path, reading: _Reading) -> Any:
    """Return ``node`` as a node or a leaf, and add its leaves to ``reading``."""
    try:
        children = children_of(node)
    except Exception as error:  # the container's own methods may raise anything
        raise TypeError(
            f"cannot read {label(path)}, a {type(node).__name__}: {reason(error)}; "
            "convert it to a plain dict, list or tuple"
        ) from error
    if children is None:
        reading.leaves.append((path, node))
        return node
    reading.enter(path)
    append = reading.leaves.append
    for key, value in children.items():
        if type(value) in PLAIN:
            append(((*path, key), value))
        else:
            children[key] = _parse(value, (*path, key), reading)
    reading.leave(path)
    return Node(node, children)


def _too_deep(batch: Any, path: Path) -> str:
    """Say whether the containers on ``path`` are too many, or one holds itself."""
    node = batch
    seen: dict[int, Path] = {id(batch): ()}
    for depth, step in enumerate(path, 1):
        node = (children_of(node) or {})[step]
        if id(node) in seen:
            return (
                f"{label(path[:depth])} is {label(seen[id(node)])} itself: a batch "
                "must not contain itself"
            )
        seen[id(node)] = path[:depth]
    return f"{label(path)} is nested in more than {MOST_LEVELS} containers: flatten it"


def _parsed(batch: Any) -> Any:
    return batch if type(batch) is Node else parse(batch)[0]


def _value(node: Any) -> Any:
    """Return the container or the leaf itself."""
    return node.value if type(node) is Node else node


def _replace(node: Any, values: Mapping[Path, Any], path: Path) -> Any:
    if path in values:
        return values[path]
    if type(node) is not Node:
        return node
    children, changed = {}, {}
    # Not comprehensions: torch.compile traces no := in them.
    for key, child in node.children.items():
        children[key] = old = _value(child)
        new = _replace(child, values, (*path, key))
        if new is not old:
            changed[key] = new
    if not changed:
        return node.value
    try:
        return rebuild(node.value, children, changed)
    except Exception as error:  # the container's own methods may raise anything
        raise TypeError(
            f"cannot rebuild a {type(node.value).__name__} at {label(path)} with "
            f"resized images: {reason(error)}; a copy of it must take new items, or "
            "its type be made from one dict, list or tuple of what it holds"
        ) from error


def _step(node: Any, step: Hashable, here: Path, path: Path, name: str) -> Leaves:
    """Follow one ``step`` of a path from ``node``, to one child or to all."""
    if type(node) is not Node:
        cure = ": " + not_a_container(here, node) if holds_tensors(node) else ""
        raise LookupError(
            f"{name} names {spell(path)}, but {label(here)} is no container: it is a "
            f"{type(node).__name__}{cure}"
        )
    inside = node.children
    if step is ...:
        return [((*here, key), child) for key, child in inside.items()]
    key = step
    if isinstance(node.value, (tuple, list)) and isinstance(step, int):
        is_there = -len(inside) <= step < len(inside)
        key = list(inside)[step] if is_there else step
    if key not in inside:
        raise LookupError(
            f"{name} names {spell(path)}, but {label(here)} has no {shown(key)}: its "
            f"keys are {shown(list(inside))}"
        )
    return [((*here, key), inside[key])]
