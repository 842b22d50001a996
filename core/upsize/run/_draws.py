"""The batches of a loader, with how many of them its batch sampler has merged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from upsize.run._batches import innermost, last_is_short, length_of
from upsize.run._merging import Drawn, Merging

__all__ = ["Draws", "NotedBatches"]


class NotedBatches:
    """The batches of a pass, with what its own batch sampler has noted of them.

    Args:
        loader: The loader.
        merging: Where batch samplers note what they draw.

    Attributes:
        drawn: What is in each batch to come, if a batch sampler has merged them.
    """

    def __init__(self, loader: Iterable[Any], merging: Merging) -> None:
        before, self._merging = merging.drawn, merging
        has_begun = isinstance(innermost(loader), Iterator)
        self._batches = iter(loader)
        is_own = has_begun or merging.drawn is not before
        self.drawn = merging.drawn if is_own else deque[Drawn]()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Return the next batch; its number is the first of ``drawn``, if there is one."""
        before = self._merging.drawn
        batch = next(self._batches)
        if self._merging.drawn is not before:  # the loader has begun, or another one
            self.drawn = self._merging.drawn
        return batch


class Draws:
    """The batches of a loader, with how many of them a batch sampler has merged.

    Args:
        loader: The loader.
        merging: Knows what was merged.
    """

    def __init__(self, loader: Iterable[Any], merging: Merging) -> None:
        self._batches = NotedBatches(loader, merging)
        self._kept: list[tuple[Any, int | None]] = []
        #: Plain batches that were drawn.
        self.count = 0
        #: Samples of the last batch, if a batch sampler has merged it.
        self.samples = 0
        # Batches before the last one, where that is known to be short.
        self._whole: int | None = None
        if last_is_short(getattr(innermost(loader), "batch_sampler", None)):
            length = length_of(loader)
            self._whole = None if length is None else length - 1

    def __iter__(self) -> Iterator[tuple[Any, int | None]]:
        return self

    def __next__(self) -> tuple[Any, int | None]:
        """Return a batch, and the plain batches in it; ``None``: it is a plain one."""
        if self._kept:
            found = self._kept.pop()
        else:
            batch, drawn = next(self._batches), self._batches.drawn
            number = None
            if drawn:
                number, self.samples = drawn.popleft()
            found = batch, number
        self.count += found[1] or 1
        return found

    def more(self, most: int, fits: Callable[[Any], bool]) -> Iterator[Any]:
        """Yield the next plain batches, up to the first that does not fit.

        Args:
            most: Batches to yield at most.
            fits: Whether a batch may be merged with those before.
        """
        # A batch that is drawn and not taken is lost to a loader that saves its state.
        if self._whole is not None:
            most = min(most, self._whole - self.count)
        for _ in range(most):
            found = next(self, None)
            if found is None:
                return
            batch, number = found
            if number is not None or not fits(batch):
                self._kept.append(found)
                self.count -= number or 1
                return
            yield batch
