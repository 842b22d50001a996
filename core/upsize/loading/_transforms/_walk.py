"""Visit transforms on the paths that images take through them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import partial, reduce
from types import FunctionType, MethodType
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from upsize.loading._kinds import is_transform, kind_of
from upsize.loading._transforms._errors import unknown_error
from upsize.loading._transforms._functions import (
    applied_in,
    format_transform,
    methods_of,
)
from upsize.loading._transforms._held import (
    Applied,
    applied_as,
    is_applied,
    is_short,
    is_single,
    named_values,
)
from upsize.loading._transforms._names import declared_kind, lengths, sizes
from upsize.loading._transforms._paths import (
    RAW,
    SIZED,
    Pending,
    State,
    in_any_order,
    joined,
    may_skip,
    structure_of,
)
from upsize.loading._transforms._taken import Taken
from upsize.loading._transforms._watch import Watch

__all__ = ["TransformWalk"]

_RAW: State = frozenset({RAW})
_SIZED: State = frozenset({SIZED})


class TransformWalk(ABC):
    """Finds the pixels in transforms, and in what holds them.

    Compositions, the items of a dictionary and torchvision's slots are alternatives,
    of which each makes images of the size by itself. Single transforms that an object
    or a list holds apply in that order.

    Attributes:
        taken: What takes another size.
        watch: What would have to change for another result.
    """

    def __init__(self) -> None:
        self.taken = Taken()
        self.watch = Watch()
        self._ends: dict[tuple[int, State], State] = {}
        self._active: set[int] = set()

    @abstractmethod
    def dataset(self, dataset: Any) -> State:
        """Look into a dataset; return the state of the images that leave it."""

    def _members(
        self, held: Mapping[str, Any], start: State, default: Applied = "unlikely"
    ) -> State:
        """Look into what an object holds; return the state of images that leave it."""
        state = start
        for name, value in held.items():
            applied = applied_as(name, default)
            if applied == "surely" or not is_single(value, applied):
                state = joined(state, self._member(value, start, applied), start)
            else:
                # Which of two attributes is used first is not known for certain.
                waiting = {each for each in state if isinstance(each, Pending)}
                state = self._transform(value, state) | waiting
        return state

    def _member(self, value: Any, start: State, applied: Applied) -> State:
        """Look into a value of any kind; return the state of images that leave it."""
        if isinstance(value, Dataset) or format_transform(value) is not None:
            return self.dataset(value)
        if isinstance(value, dict | list | tuple):
            return self._items(value, start, applied) if is_short(value) else start
        modules = isinstance(value, nn.Sequential | nn.ModuleList)
        if modules or is_applied(value, applied):
            return self._transform(value, start)
        return start

    def _items(self, values: Any, start: State, applied: Applied) -> State:
        """Look into a dictionary of alternatives, or a list."""
        if isinstance(values, dict):
            self.watch.values(values, values)
            ends = [self._member(each, start, applied) for each in values.values()]
            return reduce(lambda a, b: joined(a, b, start), ends, start)
        self.watch.items(values)
        state = start
        for each in values:
            if is_single(each, applied):
                state = self._transform(each, state)
            else:
                state = joined(state, self._member(each, start, applied), start)
        return state

    def _transform(self, transform: Any, state: State) -> State:
        """Look into something that is certainly applied to samples."""
        if isinstance(transform, MethodType):
            # The object, unless it is the dataset, which is looked at already.
            end = self._transform(transform.__self__, state)
            return end if end != state else self._transform(transform.__func__, state)
        if isinstance(transform, nn.Sequential | nn.ModuleList):
            self.watch.values(transform._modules, transform._modules)
            return self._sequence(list(transform), state)
        if isinstance(transform, list | tuple):
            self.watch.items(transform)
            return self._sequence(transform, state)
        if isinstance(transform, dict):
            return self._items(transform, state, applied="surely")
        if isinstance(transform, Dataset | type) or id(transform) in self._active:
            return state
        key = id(transform), state
        if key not in self._ends:
            self._active.add(id(transform))
            end = self._applied(transform, state)
            self._active.remove(id(transform))
            self._ends[key] = end | state if may_skip(transform) else end
        return self._ends[key]

    def _sequence(self, transforms: Iterable[Any], state: State) -> State:
        for each in transforms:
            state = self._transform(each, state)
        return state

    def _applied(self, transform: Any, state: State) -> State:
        declared = declared_kind(transform)
        kind = kind_of(transform) if declared is None else declared
        if kind is not None:
            end = self.taken.known(transform, kind, state)
            return end if declared is None else self._parts(transform, end)
        held = named_values(transform)
        if unknown := sizes(held):
            raise unknown_error(transform, unknown)
        if unknown := lengths(held, type(transform).__name__):
            if SIZED in state:
                raise unknown_error(transform, unknown)
            state = self.taken.wait(transform, unknown, state, crops=False)
        return self._parts(transform, state)

    def _parts(self, transform: Any, state: State) -> State:
        """Look into a composition, and into anything else that holds transforms."""
        if isinstance(transform, FunctionType):
            return self._function(transform, state)
        if isinstance(transform, partial):
            state = self._transform(transform.func, state)
            state = self._items(transform.args, state, "likely")
            return self._members(transform.keywords, state, "likely")
        held = self.watch.attributes(transform)
        parts = held.pop("transforms", None)
        if isinstance(parts, list | tuple | nn.ModuleList):
            state = self._composed(transform, parts, state)
        elif parts is not None:
            state = self._transform(parts, state)
        if is_transform(transform):
            # Their other attributes are parameters, and what they keep of a call.
            for processor in held.pop("processors", {}).values():
                state = self._transform(getattr(processor, "params", None), state)
            held.pop("params", None)
            held = {name: held[name] for name in held if not name.startswith("_")}
        end = self._members(held, state, "likely")
        return end if end != state else self._methods(transform, state)

    def _composed(self, transform: Any, parts: Any, state: State) -> State:
        """Return the state of images after the parts of a composition."""
        structure = structure_of(transform)
        if structure == "sequence":
            return self._transform(parts, state)
        parts = list(parts)
        self.watch.items(getattr(transform, "transforms", parts))
        if structure == "choice":
            return frozenset().union(*(self._transform(each, state) for each in parts))
        return in_any_order(parts, state, self._transform, structure)

    def _methods(self, value: Any, state: State) -> State:
        """Look into the transforms that the methods of an object refer to."""
        for method in methods_of(value):
            state = self._transform(method, state)
        return state

    def _function(self, function: FunctionType, state: State) -> State:
        """Look into the transforms that a function refers to, in their order there."""
        known, own = applied_in(function)
        self.watch.values(function.__globals__, known)
        return self._members(known | own, state, "likely")
