"""What a batch sampler draws for a stream: nothing but the size of a batch.

torch asks an ``IterableDataset`` for one sample for each item of what its batch sampler
drew. So what is drawn here knows the size of its step, and says so as it is iterated, in
the worker: all else (shards, shuffling, short batches, states) stays torch's own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from upsize.loading._batches import (
    COUNT,
    SizedBatch,
    SizedBatchSampler,
    SizedDraws,
    count_of,
)
from upsize.loading._uniform import RemadeCount
from upsize.loading._waste import Waste, received
from upsize.run._batches import length_of
from upsize.run._size_source import SizeSource, tell_at_end
from upsize.schedule import Size

__all__ = ["NOW", "Token", "TokenSampler"]

_MOST = 1024  # sizes that are kept; fewer are drawn ahead


class _Now(threading.local):
    """The batch that this thread is collecting samples for."""

    token: Token | None = None
    # The last sample that was made, and its batch: what is collated next.
    made: tuple[Any, Token] | None = None


NOW = _Now()


class Token(SizedBatch):
    """Asks a stream for the samples of a batch, at the size of its step.

    Attributes:
        key, number: The :class:`Waste` and the pass that it was drawn for.
    """

    key = number = -1

    def __reduce__(self) -> tuple[Callable[..., Token], tuple[Any, ...]]:
        return _received, (list(self), self.size, self.full, self.key, self.number)

    def __iter__(self) -> Iterator[Any]:
        try:
            for each in super().__iter__():
                # Again for each: a dataset may read another sized loader.
                NOW.token = self
                yield each
        finally:
            NOW.token = None


def _received(items: list[Any], size: Size, full: Size, key: int, number: int) -> Token:
    """Return a token that this process was sent."""
    received(key, number)
    token = Token(items, size, full)
    token.key, token.number = key, number
    return token


class TokenSampler(SizedBatchSampler):
    """Draws what asks a stream for each batch.

    Args:
        batch_sampler: That of the loader, which draws as many items as a batch has.
        size_source: Tells the sizes.
        loader: The loader, for the length of a pass.
        count: Counts the samples that were made at the size of another batch.
        waste: Counts what is drawn for workers whose shard has ended.
        is_resumed: Whether the stream was given a state, from which it goes on.
    """

    __slots__ = (
        "_upsize_loader",
        "_upsize_remade",
        "_upsize_resumed",
        "_upsize_waste",
    )

    def __init__(
        self,
        batch_sampler: Any,
        size_source: SizeSource,
        loader: Any,
        count: RemadeCount,
        waste: Waste,
        is_resumed: Callable[[], bool],
    ) -> None:
        super().__init__(batch_sampler, size_source)
        self._upsize_set(_upsize_waste=waste, _upsize_loader=loader)
        self._upsize_set(_upsize_remade=count, _upsize_resumed=is_resumed)

    def _parts(self) -> tuple[Any, ...]:
        own = self._upsize_loader, self._upsize_remade, self._upsize_waste
        return (*super()._parts(), *own, self._upsize_resumed)

    @property
    def remade(self) -> int:
        """Samples that workers have resized, as they were made for another batch."""
        count: RemadeCount = self._upsize_remade
        return count.total

    def _begin(self, done: int) -> SizedDraws:
        length = length_of(self._upsize_loader)
        grown = getattr(self._upsize_source, "grown_plan", None)
        if grown is not None:
            length = self._upsize_source.batches_of(grown.samples_per_epoch)
        # torchdata's loader restores what was drawn, and counts from the first batch.
        if not done and self._upsize_resumed():
            getattr(self._upsize_source, "draw_rest", _nothing)()
        self._upsize_remade.tell()  # of the pass before
        tell_at_end(self._upsize_source, self._upsize_remade.tell)
        inner, source = iter(self._upsize_inner), self._upsize_source
        return _TokenDraws(inner, source, length, done, self._upsize_waste)

    # The items are all alike: how many were drawn is all of the state.
    def state_dict(self) -> dict[str, Any]:
        """Return how many batches were drawn."""
        draws: _TokenDraws | None = self._upsize_draws
        return {COUNT: 0} if draws is None else draws.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Continue after as many batches."""
        self._upsize_set(_upsize_done=count_of(state or {}, None))


class _TokenDraws(SizedDraws):
    """A pass over a stream: what is drawn beyond its end has the size of its last step.

    What was drawn in vain, for a worker whose shard had ended, takes no step: it is
    drawn again for another worker.
    """

    __slots__ = ("_upsize_begun", "_upsize_past", "_upsize_taken", "_upsize_waste")

    def __init__(
        self,
        batches: Iterator[Any],
        size_source: SizeSource,
        length: int | None,
        done: int,
        waste: Waste,
    ) -> None:
        super().__init__(batches, size_source, length, done)
        self._upsize_set(_upsize_waste=waste)
        self._start(done)

    def _start(self, done: int) -> None:
        # The pass begins with its first batch: others may be made, and not used.
        self._upsize_set(_upsize_count=done, _upsize_begun=None)
        self._upsize_set(
            _upsize_sizes=None, _upsize_past=deque(maxlen=_MOST), _upsize_taken=0
        )

    def __next__(self) -> Token:
        if self._upsize_begun is None:
            self._upsize_set(
                _upsize_begun=(self._upsize_waste.begin(), self._upsize_count)
            )
        number, first = self._upsize_begun
        size, images = self._size(self._upsize_count - first - self._wasted)
        items = next(self._upsize_inner)
        if images is not None:  # of a plan that grows; the items are all alike
            items = items[:1] * images
        token = Token(items, size, self._upsize_source.final_size)
        token.key, token.number = self._upsize_waste.key, number
        self._upsize_set(_upsize_count=self._upsize_count + 1)
        return token

    def _size(self, index: int) -> tuple[Size, int | None]:
        """Return size and images of a batch of the pass that no worker gives yet."""
        past: deque[tuple[Size, int | None]] = self._upsize_past
        taken: int = self._upsize_taken
        if index >= taken:
            past.append(self._next_size())  # type: ignore[arg-type] # see _ahead
            self._upsize_set(_upsize_taken=taken + 1)
            return past[-1]
        return past[max(index - taken, -len(past))]

    @property
    def _wasted(self) -> int:
        waste: Waste = self._upsize_waste
        begun: tuple[int, int] | None = self._upsize_begun
        return 0 if begun is None else waste.total(begun[0])

    def _ahead(self) -> Iterator[Any]:
        source, length = self._upsize_source, self._upsize_length
        if getattr(source, "grown_plan", None) is not None:
            return _until(source.batches_ahead(length), length)
        return _until(((size, None) for size in super()._ahead()), length)

    def state_dict(self) -> dict[str, Any]:
        return {COUNT: self._upsize_count - self._wasted}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        self._start(count_of(state or {}, None))


def _nothing() -> None:
    """Of sources that do not know where they are in an epoch."""


def _until(sizes: Iterator[Any], length: int | None) -> Iterator[Any]:
    """Yield the sizes of a pass, and then its last one without end."""
    for number, size in enumerate(sizes, start=1):
        yield size
        while number == length:
            yield size
