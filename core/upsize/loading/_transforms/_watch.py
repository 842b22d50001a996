"""Notice cheaply that the transforms of a dataset are others than they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Number
from operator import is_
from typing import Any

import torch
from torch import nn

__all__ = ["Watch", "attributes"]

_GONE = object()
# What holds no transform. An image or a counter may be another one for each sample.
_PLAIN = (Number, str, bytes, torch.Tensor, torch.Generator)
_OF_MODULES = frozenset(vars(nn.Module()))


class Watch:
    """Remembers what objects hold, to tell whether they still do.

    Looking at it costs a microsecond for some twenty attributes, where finding the
    transforms again costs as much for one.
    """

    def __init__(self) -> None:
        self._held: list[tuple[Mapping[str, Any], str, Any]] = []
        self._plain: list[tuple[Mapping[str, Any], str, type]] = []
        self._counts: list[tuple[Collection[Any], int]] = []
        self._lists: list[tuple[Any, tuple[Any, ...]]] = []

    @property
    def unchanged(self) -> bool:
        """Whether all of it is as it was."""
        return (
            all(len(values) == count for values, count in self._counts)
            and all(held.get(name, _GONE) is value for held, name, value in self._held)
            and all(
                _is_still_plain(held.get(name, _GONE), kind)
                for held, name, kind in self._plain
            )
            and all(
                len(now) == len(then) and all(map(is_, now, then))
                for now, then in self._lists
            )
        )

    def attributes(self, owner: Any) -> dict[str, Any]:
        """Remember the attributes of an object, and return them."""
        own, held = getattr(owner, "__dict__", {}), attributes(owner)
        self.values(own, held)
        if isinstance(owner, nn.Module):
            self.values(owner._modules, owner._modules)
            held |= owner._modules
        return held

    def values(self, held: Mapping[str, Any], names: Collection[str]) -> None:
        """Remember some values of a dictionary that may be transforms."""
        self._counts.append((held, len(held)))
        for name in names:
            value = held[name]
            if _is_plain(value):
                self._plain.append((held, name, type(value)))
            else:
                self._held.append((held, name, value))

    def items(self, values: Any) -> None:
        """Remember the items of a list; a tuple cannot change."""
        if not isinstance(values, tuple):
            self._lists.append((values, tuple(values)))


def attributes(owner: Any) -> dict[str, Any]:
    """Return the attributes that an object itself has."""
    held: dict[str, Any] = getattr(owner, "__dict__", {})
    if isinstance(owner, nn.Module):
        return {name: held[name] for name in held if name not in _OF_MODULES}
    return held.copy()


def _is_still_plain(value: Any, kind: type) -> bool:
    """Return whether a value holds no transform, where one of a kind held none."""
    return (type(value) is kind and kind is not tuple) or _is_plain(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(each, _PLAIN) for each in value)
    return isinstance(value, _PLAIN)
