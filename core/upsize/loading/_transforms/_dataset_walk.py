"""Visit the transforms of a dataset on the paths that its images take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from torch.utils.data import Dataset

from upsize.loading._kinds import kind_of
from upsize.loading._transforms._errors import pending_error, skipped_error
from upsize.loading._transforms._functions import applied_in, format_transform
from upsize.loading._transforms._held import has_datasets
from upsize.loading._transforms._paths import RAW, SIZED, Pending, State
from upsize.loading._transforms._pipelines import functions_called, pipeline_of
from upsize.loading._transforms._walk import TransformWalk

__all__ = ["DatasetWalk"]

_RAW: State = frozenset({RAW})
_SIZED: State = frozenset({SIZED})


class DatasetWalk(TransformWalk):
    """Finds the pixels in the transforms of a dataset, and of those that it wraps."""

    def __init__(self) -> None:
        super().__init__()
        self._datasets: dict[int, State] = {}

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
