"""What loaders have drawn, and how many of their batches are merged in each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from upsize.run._batches import innermost, last_is_short, length_of
from upsize.run._merge_rule import MergeRule

__all__ = ["Draws", "Merging"]


class Merging:
    """Decides which batches are merged, and remembers what loaders have merged.

    Args:
        rule: How many batches are merged.

    Attributes:
        drawn: Plain batches in each one that a batch sampler has drawn and nobody has
            taken from the loader yet.
    """

    def __init__(self, rule: MergeRule) -> None:
        self.rule = rule
        self.drawn: deque[int] = deque()

    def begin(self) -> deque[int]:
        """Begin a pass of a batch sampler; return where it notes what it draws."""
        self.drawn = deque()
        return self.drawn


class Draws:
    """The batches of a loader, with how many of them a batch sampler has merged.

    Args:
        loader: The loader.
        merging: Knows what was merged.
    """

    def __init__(self, loader: Iterable[Any], merging: Merging) -> None:
        self._batches, self._merging = iter(loader), merging
        self._kept: list[tuple[Any, int | None]] = []
        #: Plain batches that were drawn.
        self.count = 0
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
            batch, drawn = next(self._batches), self._merging.drawn
            found = batch, drawn.popleft() if drawn else None
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
