"""Use somebody's objects, and leave their attributes and random state untouched."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import CellType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor

from upsize.run._restoring import Restoring

__all__ = ["restoring_objects"]

_MOST_ITEMS = 64  # a longer list in a dataset holds its samples
_MOST_OBJECTS = 10_000
_HOLDS_NOTHING = (Tensor, str, bytes, int, float, type(None), type, ModuleType)


@contextmanager
def restoring_objects(*roots: Any) -> Iterator[None]:
    """Restore the attributes and random generators of objects, and of what they hold.

    So a file that is opened at its first use is closed again, and a random generator
    draws the same numbers again. A list or dict that changes in place is not restored.

    Args:
        roots: Objects of any kind, such as a dataset and its transforms.

    Example:
        >>> class Dataset:
        ...     opened, draws = False, random.Random(0)
        ...     def __init__(self):
        ...         self.draws = random.Random(0)
        ...     def __getitem__(self, index):
        ...         self.opened = True
        ...         return self.draws.random()
        >>> dataset = Dataset()
        >>> with restoring_objects(dataset):
        ...     first = dataset[0]
        >>> dataset.opened, dataset[0] == first
        (False, True)
    """
    with Restoring() as changes:
        for each in _held(roots):
            changes.callback(_restorer(each))
        yield


def _restorer(each: Any) -> Callable[[], object]:
    """Return what restores an object, its state of now at hand."""
    numpy: Any = sys.modules.get("numpy")
    if isinstance(each, random.Random):
        return partial(each.setstate, each.getstate())
    if isinstance(each, torch.Generator):
        return partial(each.set_state, each.get_state())
    if numpy and isinstance(each, numpy.random.RandomState):
        return partial(each.set_state, each.get_state())
    if numpy and isinstance(each, numpy.random.Generator):
        bits = each.bit_generator
        return partial(setattr, bits, "state", bits.state)
    held = getattr(each, "__dict__", {})
    return partial(_put_back, held, dict(held))


def _put_back(held: dict[str, Any], before: dict[str, Any]) -> None:
    for name in held.keys() - before.keys():
        del held[name]
    held.update(before)


def _held(roots: tuple[Any, ...]) -> list[Any]:
    """Return objects and those in their attributes, short containers and closures."""
    found: dict[int, Any] = {}
    waiting = list(roots)
    while waiting and len(found) < _MOST_OBJECTS:
        each = waiting.pop()
        if isinstance(each, _HOLDS_NOTHING) or id(each) in found:
            continue
        found[id(each)] = each
        if isinstance(each, dict):
            waiting += each.values() if len(each) <= _MOST_ITEMS else ()
        elif isinstance(each, list | tuple):
            waiting += each if len(each) <= _MOST_ITEMS else ()
        else:
            waiting += getattr(each, "__dict__", {}).values()
            waiting += _bound(each)
    return list(found.values())


def _bound(each: Any) -> list[Any]:
    """Return what a callable has been given."""
    if isinstance(each, MethodType):
        return [each.__self__]
    if isinstance(each, partial):
        return [each.func, *each.args, *each.keywords.values()]
    return [_contents(cell) for cell in getattr(each, "__closure__", None) or ()]


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty until the name is assigned
        return None
