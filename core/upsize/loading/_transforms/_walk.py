"""Visit the transforms of a dataset on the paths that its images take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial, reduce
from types import FunctionType, MethodType
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from upsize.loading._kinds import is_transform, kind_of
from upsize.loading._transforms._errors import (
    pending_error,
    skipped_error,
    unknown_error,
)
from upsize.loading._transforms._functions import (
    applied_in,
    format_transform,
    methods_of,
)
from upsize.loading._transforms._held import (
    Applied,
    applied_as,
    has_datasets,
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
from upsize.loading._transforms._pipelines import functions_called, pipeline_of
from upsize.loading._transforms._taken import Taken
from upsize.loading._transforms._watch import Watch

__all__ = ["Walk"]

_RAW: State = frozenset({RAW})
_SIZED: State = frozenset({SIZED})


class Walk:
    """Finds the pixels in the transforms of a dataset.

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
        self._datasets: dict[int, State] = {}
        self._ends: dict[tuple[int, State], State] = {}
        self._active: set[int] = set()

    def dataset(self, dataset: Any) -> State:
        """Look into a dataset, and into those that it wraps.

        Returns:
            The state of the images that leave it.

        Raises:
            ValueError: For a transform that cannot make images of another size.
        """
        if id(dataset) in self._datasets:
            return self._datasets[id(dataset)]
        self._datasets[id(dataset)] = _RAW  # of one that holds itself
        if (pipeline := pipeline_of(dataset)) is not None:
            self.watch.values(vars(dataset), [pipeline.held_as])
            return self._ended(dataset, self._pipeline(pipeline.steps))
        held = self.watch.attributes(dataset)
        # What opens a file applies first, and then the datasets inside.
        loader = kind_of(held.get("loader"))
        start = _SIZED if loader is not None and loader.resizes else _RAW
        if (function := format_transform(dataset)) is not None:
            held = {"transform": function}
        before = len(self.taken.found)
        inner = {name: value for name, value in held.items() if has_datasets(value)}
        resized = self._members(inner, start)
        start = start if self._leave_raw(inner) else resized
        own = {name: value for name, value in held.items() if name not in inner}
        called = {
            name: own.pop(name) for name in functions_called(dataset) if name in own
        }
        end = self._members(own, start)
        end = self._members(called, end, "likely")
        if isinstance(dataset, FunctionType | MethodType | partial):
            end = self._collate(dataset, end)
        elif len(self.taken.found) == before and end == start:
            end = self._methods(dataset, end)
        return self._ended(dataset, end)

    def _pipeline(self, steps: Iterable[Any]) -> State:
        """Look into the steps of a pipeline, which are applied in their order."""
        state = _RAW
        for each in steps:
            inner = isinstance(each, Dataset)
            state = self.dataset(each) if inner else self._transform(each, state)
        return state

    def _ended(self, dataset: Any, end: State) -> State:
        """Return the state of the images that leave a dataset, if it is a certain one."""
        for pending in end:
            if isinstance(pending, Pending):
                raise pending_error(pending)
        if len(end) > 1:
            raise skipped_error(dataset)
        self._datasets[id(dataset)] = end
        return end

    def _leave_raw(self, inner: Mapping[str, Any]) -> bool:
        """Return whether images of a dataset inside come as their files are."""
        for value in inner.values():
            values = value.values() if isinstance(value, dict) else value
            several = isinstance(value, dict | list | tuple)
            each_end = (
                self._datasets.get(id(each))
                for each in (values if several else [value])
            )
            if _RAW in each_end:
                return True
        return False

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

    def _collate(self, function: Any, state: State) -> State:
        """Look for known transforms alone: a tokenizer is not applied to images."""
        if isinstance(function, partial):
            state = self._collate(function.func, state)
            state = self._items(function.args, state, "unlikely")
            return self._members(function.keywords, state)
        if isinstance(function, MethodType):
            names = function.__func__.__code__.co_names
            held = self.watch.attributes(function.__self__)
            held = {name: held[name] for name in names if name in held}
            return self._members(held, self._collate(function.__func__, state))
        if not isinstance(function, FunctionType):
            return state
        known, own = applied_in(function)
        self.watch.values(function.__globals__, known)
        return self._members(known | own, state)

    def _function(self, function: FunctionType, state: State) -> State:
        """Look into the transforms that a function refers to, in their order there."""
        known, own = applied_in(function)
        self.watch.values(function.__globals__, known)
        return self._members(known | own, state, "likely")
