"""Batches of indices that know the size of their step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from upsize.loading._proxy import Proxy
from upsize.run._batches import length_of
from upsize.run._size_source import SizeSource
from upsize.schedule import Size

__all__ = [
    "COUNT",
    "SizedBatch",
    "SizedBatchSampler",
    "SizedDraws",
    "count_of",
    "source_of",
]

#: How many batches were drawn, in a state.
COUNT = "upsize_batches"


class SizedBatch(list[Any]):
    """The indices of a batch, or its samples, the size of its step and the full size.

    A list like any other to a dataset that does not know it; it goes to the workers.
    """

    def __init__(self, indices: Iterable[Any], size: Size, full: Size) -> None:
        super().__init__(indices)
        self.size, self.full = size, full

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        # A shard of a batch, as Accelerate cuts it, has the same step.
        return type(self)(found, self.size, self.full) if type(key) is slice else found

    def __reduce__(
        self,
    ) -> tuple[Callable[..., SizedBatch], tuple[list[Any], Size, Size]]:
        return type(self), (list(self), self.size, self.full)


class SizedBatchSampler(Proxy):
    """Gives each batch of another batch sampler the size of the step that takes it.

    A batch gets its size when it is drawn, however long before its step that is.

    Args:
        batch_sampler: Any iterable of lists of indices.
        size_source: Tells the sizes.
    """

    __slots__ = ("_upsize_done", "_upsize_draws", "_upsize_source")

    def __init__(self, batch_sampler: Any, size_source: SizeSource) -> None:
        super().__init__(batch_sampler)
        self._upsize_set(_upsize_source=size_source, _upsize_draws=None)
        self._upsize_set(_upsize_done=0)  # batches, of a state

    def _parts(self) -> tuple[Any, ...]:
        return self._upsize_inner, self._upsize_source

    def __iter__(self) -> SizedDraws:
        draws = self._begin(self._upsize_done)
        self._upsize_set(_upsize_draws=draws)
        self._upsize_set(_upsize_done=0)
        return draws

    def _begin(self, done: int) -> SizedDraws:
        inner = self._upsize_inner
        return SizedDraws(iter(inner), self._upsize_source, length_of(inner), done)

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        # torchdata keeps the state of a batch sampler that has one.
        if name == "state_dict":
            return lambda: _with_count(found(), self._upsize_draws)
        return self._load if name == "load_state_dict" else found

    def _load(self, state: dict[str, Any]) -> None:
        inner = self._upsize_inner
        self._upsize_set(_upsize_done=count_of(state, inner))
        inner.load_state_dict(state)

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on to the samplers inside, and to the sizes of a plan."""
        for each in (self._upsize_source, *_samplers(self._upsize_inner)):
            set_epoch = getattr(each, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)


class SizedDraws(Proxy):
    """A pass over a batch sampler, each batch with the size of its step.

    It has the state of the iterator inside, if that has one, as torchdata's do.

    Args:
        batches: Iterator over the lists of indices.
        size_source: Tells the sizes.
        length: Batches in a pass; ``None``: not known.
        done: Batches of the pass that were drawn before, by a loader that was stopped.
    """

    __slots__ = ("_upsize_count", "_upsize_length", "_upsize_sizes", "_upsize_source")
    _kind = SizedBatch  # what is drawn

    def __init__(
        self,
        batches: Iterator[Any],
        size_source: SizeSource,
        length: int | None,
        done: int = 0,
    ) -> None:
        super().__init__(batches)
        self._upsize_set(_upsize_source=size_source, _upsize_length=length)
        self._upsize_set(_upsize_sizes=None, _upsize_count=done)

    def __iter__(self) -> SizedDraws:
        return self

    def __next__(self) -> SizedBatch:
        # Also after the last batch: a plan counts how many batches were asked for.
        size = self._next_size()
        indices = next(self._upsize_inner)
        self._upsize_set(_upsize_count=self._upsize_count + 1)
        return self._kind(indices, size, self._upsize_source.final_size)

    def _next_size(self) -> Size:
        size = next(self._sizes, None)
        if size is None:
            raise RuntimeError(
                f"{type(self._upsize_source).__name__} gives a batch no size: its "
                "sizes_ahead must yield without end"
            )
        return size

    @property
    def _sizes(self) -> Iterator[Size]:
        # At the first batch: a loader makes passes that it does not use.
        if self._upsize_sizes is None:
            here = getattr(self._upsize_source, "begins_here", False)
            done = 0 if here else self._upsize_count
            self._upsize_set(_upsize_sizes=islice(self._ahead(), done, None))
        return self._upsize_sizes  # type: ignore[no-any-return]

    def _ahead(self) -> Iterator[Size]:
        source: SizeSource = self._upsize_source
        return source.sizes_ahead(self._upsize_length)

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if name == "state_dict":
            return lambda: _with_count(found(), self)
        if name == "load_state_dict":
            return self._load
        return found

    def _load(self, state: dict[str, Any]) -> None:
        inner = self._upsize_inner
        count = count_of(state, inner)
        inner.load_state_dict(state)
        self._upsize_set(_upsize_count=count, _upsize_sizes=None)


def source_of(batch_sampler: Any) -> SizeSource | None:
    """Return what tells a batch sampler its sizes; ``None``: it is not sized."""
    if not issubclass(type(batch_sampler), SizedBatchSampler):
        return None
    source: SizeSource = batch_sampler._upsize_source
    return source


def _with_count(state: dict[str, Any], draws: SizedDraws | None) -> dict[str, Any]:
    return state | {COUNT: 0 if draws is None else draws._upsize_count}


def count_of(state: dict[str, Any], batches: Any) -> int:
    """Return how many batches were drawn before a state was saved."""
    count = state.get(COUNT)
    if count is None:
        # Saved before the loader was sized; torchdata counts samples.
        samples, size = state.get("samples_yielded"), getattr(batches, "batch_size", 0)
        if samples is None or not size:
            raise ValueError(
                "the state of the loader does not say how many batches were drawn, so "
                "the sizes of the next ones are not known: it was saved before the "
                "loader was sized; continue at the start of an epoch"
            )
        count = -(-samples // size)
    return int(count)


def _samplers(outer: Any) -> Iterator[Any]:
    """Yield a batch sampler and the samplers in it."""
    while outer is not None:
        yield outer
        inner = getattr(outer, "batch_sampler", None)
        outer = getattr(outer, "sampler", None) if inner is None else inner
