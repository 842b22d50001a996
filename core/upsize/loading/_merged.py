"""Batches of indices that hold several of a batch sampler, for merged micro-batches.

Workers then make the larger batch at once. The run is told what each holds, in the order
in which they are drawn; a loader gives them in the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from upsize.loading._batches import (
    COUNT,
    SizedBatch,
    SizedBatchSampler,
    SizedDraws,
    count_of,
)
from upsize.run._batches import last_is_short, length_of
from upsize.run._merge_rule import next_group
from upsize.run._merging import Drawn, Merging
from upsize.schedule import Size

__all__ = ["MergedBatchSampler", "can_merge"]

# Packages whose loaders take what their batch sampler draws, however much that is.
_TAKES_ALL = frozenset({"torch", "torchdata", "accelerate"})


def can_merge(loader: Any, source: Any) -> bool:
    """Return whether the batch sampler of a loader can merge what it draws.

    Else the batches are concatenated in the main process.

    Args:
        loader: A ``DataLoader`` of a map-style dataset.
        source: Tells the sizes.
    """
    if getattr(source, "merging", None) is None:
        return False
    # Others may take as many batches of an endless pass as the loader says it has.
    module = getattr(type(loader).__iter__, "__module__", "").partition(".")[0]
    if module not in _TAKES_ALL:
        return False
    # torchdata then draws again what has come since its last snapshot, and drops it.
    return not loader.num_workers or getattr(loader, "snapshot_every_n_steps", 1) == 1


class MergedBatchSampler(SizedBatchSampler):
    """Merges the batches of a window at their size; it has the length of the other one.

    Args:
        batch_sampler: Any iterable of lists of indices.
        size_source: Tells the sizes and windows, and what is merged.
    """

    __slots__ = ()

    def _begin(self, done: int) -> SizedDraws:
        inner = self._upsize_inner
        draws = _MergedDraws(iter(inner), self._upsize_source, length_of(inner), done)
        draws._upsize_set(_upsize_is_short=last_is_short(inner))
        return draws


class _MergedDraws(SizedDraws):
    """A pass over a batch sampler, several batches in one.

    Its state is that of the iterator inside, or how many batches to leave out.
    """

    __slots__ = (
        "_upsize_is_short",
        "_upsize_kept",
        "_upsize_noted",
        "_upsize_state",
        "_upsize_windows",
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._upsize_set(_upsize_windows=None, _upsize_kept=None, _upsize_state=None)
        self._upsize_set(_upsize_noted=None, _upsize_is_short=None)

    def __next__(self) -> SizedBatch:
        first = self._kept() or list(next(self._upsize_inner))
        if self._upsize_windows is None:
            self._start()
        size, left = next(self._upsize_windows)
        parts = [first, *self._more(first, size, left)]
        for _ in parts[1:]:
            next(self._upsize_windows)
        self._upsize_set(_upsize_count=self._upsize_count + len(parts))
        indices = [index for part in parts for index in part]
        if left:  # else it is drawn and not trained on
            self._upsize_noted.append(Drawn(len(parts), len(indices)))
        return SizedBatch(indices, size, self._upsize_source.final_size)

    def _start(self) -> None:
        source: Any = self._upsize_source
        merging: Merging = source.merging
        noted: deque[Drawn] = merging.begin()
        here = getattr(source, "begins_here", False)
        ahead = source.windows_ahead(self._upsize_length)
        windows = islice(ahead, 0 if here else self._upsize_count, None)
        self._upsize_set(_upsize_windows=windows, _upsize_noted=noted)

    def _more(self, first: list[Any], size: Size, left: int) -> Iterator[list[Any]]:
        """Yield the batches that are merged with the first one."""
        source: Any = self._upsize_source
        most = source.merging.rule.most(size, source.final_size, len(first))
        wanted = next_group(left, most) if left > 1 else 1
        if self._upsize_is_short and self._upsize_length is not None:
            wanted = min(wanted, self._upsize_length - self._upsize_count - 1)
        for _ in range(wanted - 1):
            state = self._inner_state()
            batch = next(self._upsize_inner, None)
            if batch is None:
                return
            batch = list(batch)
            if len(batch) != len(first):
                self._upsize_set(_upsize_kept=batch, _upsize_state=state)
                return
            yield batch

    def _kept(self) -> list[Any] | None:
        """Return the batch that did not fit the one before."""
        batch: list[Any] | None = self._upsize_kept
        self._upsize_set(_upsize_kept=None, _upsize_state=None)
        return batch

    def _inner_state(self) -> dict[str, Any] | None:
        state_dict = getattr(self._upsize_inner, "state_dict", None)
        return None if state_dict is None else state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return the state after what was drawn."""
        # A batch that is kept has not been drawn yet.
        state = self._upsize_state or self._inner_state() or {}
        return state | {COUNT: self._upsize_count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after what was drawn."""
        inner, done = self._upsize_inner, self._upsize_count
        count = count_of(state, inner)
        if hasattr(inner, "load_state_dict"):
            inner.load_state_dict(state)
        elif not done:  # or the batch sampler has been told to continue there
            next(islice(inner, count, count), None)
        self._upsize_set(_upsize_count=count, _upsize_windows=None, _upsize_kept=None)
