"""Which types are containers, and how each is read and rebuilt."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Hashable, Mapping
from itertools import islice
from types import SimpleNamespace
from typing import Any

from torch import Tensor
from torch.nn import Module

from upsize.resize._shown import Path, label

__all__ = [
    "MOST_LEAVES",
    "PLAIN",
    "children_of",
    "holds_tensors",
    "not_a_container",
    "reason",
    "rebuild",
]

_SEQUENCES = (tuple, list)  # torch.compile traces no tuple | list
#: A batch with more values than this is a mistake, or one that never ends.
MOST_LEAVES = 1_000_000
#: What most leaves are: they skip the slower questions, in every batch of a training.
PLAIN = frozenset({Tensor, str, int, float, bool, bytes, type(None)})


def children_of(node: Any) -> dict[Hashable, Any] | None:
    """Return what a container holds as a new dict, or None for anything else."""
    # One more than is allowed: a mapping may lie about its length, and never end.
    some = MOST_LEAVES + 1
    kind = type(node)
    if kind is dict:
        return dict(node)
    if kind is list or kind is tuple:
        return dict(enumerate(node))
    if kind in PLAIN:
        return None
    if isinstance(node, _SEQUENCES):
        names = getattr(node, "_fields", None)
        if names:
            return dict(zip(names, islice(node, some), strict=True))
        return dict(enumerate(islice(node, some)))
    if isinstance(node, Mapping):
        return dict(islice(node.items(), some))
    fields: Any = getattr(kind, "__attrs_attrs__", None)
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = dataclasses.fields(node)
    if fields is not None:
        names = [field.name for field in fields]
        return {name: getattr(node, name) for name in names if hasattr(node, name)}
    if kind is SimpleNamespace:
        return {**vars(node)}
    return None


def holds_tensors(leaf: Any) -> bool:
    """Whether an object that is not a container has tensors in its attributes."""
    if isinstance(leaf, (Tensor, Module, type)):
        return False
    slots = [name for kind in type(leaf).__mro__ for name in _slots(kind)]
    held = [getattr(leaf, name, None) for name in slots]
    held += getattr(leaf, "__dict__", {}).values()
    inside = [value for node in held for value in (children_of(node) or {}).values()]
    return any(isinstance(value, Tensor) for value in (*held, *inside))


def not_a_container(path: Path, leaf: Any) -> str:
    """Say what to do with an object of a class that upsize does not know."""
    name = type(leaf).__name__
    return (
        f"{label(path)} is a {name}, which upsize cannot take apart: make {name} a "
        "dataclass, or give upsize its tensors in a dict or tuple and make the object "
        "of what it returns"
    )


def rebuild(
    node: Any, children: dict[Hashable, Any], changed: dict[Hashable, Any]
) -> Any:
    """Return a new container like ``node``.

    Args:
        node: The container; never changed.
        children: What it holds, by key.
        changed: The values that differ in the new one, by key.

    Raises:
        ValueError: When the new one does not hold what it was given. What the type
            itself raises passes through.
    """
    held = children | changed
    kind = type(node)
    if kind is dict:
        return held
    if kind is list or kind is tuple:
        return kind(held.values())
    if isinstance(node, tuple):
        make: Any = getattr(node, "_make", type(node))
        return _checked(make(list(held.values())), held, changed)
    if isinstance(node, Mapping) and not _copies_itself(node):
        # The default copy of other mappings shares their storage with the original.
        make = type(node)
        return _checked(make(held), held, changed)
    if isinstance(node, (Mapping, list)):
        new = _copied(node)
        for key, value in changed.items():
            new[key] = value
        if hasattr(node, "clone"):  # a TensorDict may stack what it returns
            return new
        return _checked(new, held, changed)
    # copy, not dataclasses.replace: fields with init=False and __post_init__.
    new = copy.copy(node)
    for key, value in changed.items():
        object.__setattr__(new, key, value)  # type: ignore[arg-type]  # frozen, too
    return new


def reason(error: Exception) -> str:
    """Return what went wrong in the methods of a container, in a few words."""
    text = str(error)
    return f"{type(error).__name__}: {text[:200]}{'...' * (len(text) > 200)}"


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _copied(node: Any) -> Any:
    if not isinstance(node, (dict, list)) and hasattr(node, "clone"):  # a TensorDict
        return node.clone(recurse=False)
    return copy.copy(node)


def _copies_itself(node: Mapping[Any, Any]) -> bool:
    """Whether a copy of a mapping has storage of its own."""
    # A dict, a TensorDict, a UserDict.
    return (
        isinstance(node, dict)
        or hasattr(node, "clone")
        or hasattr(type(node), "__copy__")
    )


def _checked(new: Any, held: dict[Hashable, Any], changed: dict[Hashable, Any]) -> Any:
    """Return ``new``, or refuse it where it holds other than it was given."""
    if isinstance(new, _SEQUENCES):
        pairs = list(zip(new, held.values(), strict=True))
    else:
        pairs = [(new[key], value) for key, value in changed.items()]
    if any(found is not value for found, value in pairs):
        raise ValueError("it does not hold the values that it is given")
    return new
