"""Which pixels of the transforms on a path are scaled, and which left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from upsize.loading._kind import Kind, Measure
from upsize.loading._transforms._errors import mixed_error, twice_error
from upsize.loading._transforms._paths import SIZED, Pending, State
from upsize.loading._transforms._scale import has_pixels

__all__ = ["Pixels", "Taken"]


class Pixels(NamedTuple):
    """An attribute of a transform that holds pixels at full size."""

    owner: Any
    name: str
    measure: Measure
    reads: bool  # the current size by itself


class Taken:
    """Decides for each transform by the state of the images that come to it.

    Attributes:
        found: What takes another size.
        in_file_pixels: Whether something crops, or counts pixels, before the resize.
    """

    def __init__(self) -> None:
        self.found: list[Pixels] = []
        self.in_file_pixels = False
        self._scaled: dict[tuple[int, str], bool] = {}

    def known(self, transform: Any, kind: Kind, state: State) -> State:
        """Take the pixels of a transform of a known kind; return the state after it."""
        if kind.when is not None:
            name, values = kind.when
            if getattr(transform, name, None) not in values:
                return state
        if not kind.resizes:
            return self.measured(transform, kind.pixels, state, crops=kind.crops)
        self.measured(transform, kind.before, state, crops=False)
        self.take(transform, kind.pixels, reads=kind.reads)
        return frozenset({SIZED})

    def measured(
        self, transform: Any, measures: Mapping[str, Measure], state: State, crops: bool
    ) -> State:
        """Take the pixels of a transform if they are those of resized images."""
        pixels = {
            name: value
            for name, measure in measures.items()
            if has_pixels(value := getattr(transform, name, None), measure)
        }
        if not pixels:
            return state
        if SIZED not in state:
            return self.wait(transform, pixels, state, crops=crops)
        if state != frozenset({SIZED}):
            raise mixed_error(transform, pixels)
        self.take(transform, {name: measures[name] for name in pixels})
        return state

    def take(
        self, transform: Any, measures: Mapping[str, Measure], *, reads: bool = False
    ) -> None:
        self.found += [
            Pixels(transform, name, measure, reads)
            for name, measure in measures.items()
            if has_pixels(getattr(transform, name, None), measure)
            and self._is_new(transform, name, scaled=True)
        ]

    def wait(
        self, transform: Any, pixels: dict[str, Any], state: State, *, crops: bool
    ) -> State:
        """Leave pixels of the original image alone, if a resize comes later."""
        for name in pixels:
            self._is_new(transform, name, scaled=False)
        self.in_file_pixels = True
        here = Pending(transform, crops, pixels)
        return frozenset(each if isinstance(each, Pending) else here for each in state)

    def _is_new(self, transform: Any, name: str, *, scaled: bool) -> bool:
        """Return whether pixels are met for the first time.

        Raises:
            ValueError: When they were scaled then and must not be now, or vice versa.
        """
        key = id(transform), name
        new = key not in self._scaled
        if self._scaled.setdefault(key, scaled) is not scaled:
            raise twice_error(transform)
        return new
