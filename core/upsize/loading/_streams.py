"""Samples of a stream, made at the size of the batch that a worker collects them for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upsize.loading._context import sample_size
from upsize.loading._maker import SampleMaker, SetSize
from upsize.loading._proxy import Proxy
from upsize.loading._reduction import StreamReduction
from upsize.loading._tokens import NOW, Token
from upsize.loading._uniform import ORDER, UniformSize
from upsize.loading._waste import Waste
from upsize.loading._web import batching_with
from upsize.schedule import Size

__all__ = ["SizedStream"]

_SAMPLES = "upsize_samples"
_END = object()
_MIXED = (
    "upsize: if the samples of a batch have several sizes here, the stream has made some "
    f"of them for the batch before, as where it reads ahead: {ORDER}"
)


class SizedStream(Proxy):
    """An iterable dataset whose samples get the size of the batch that asks for them.

    Args:
        dataset: An iterable dataset at full size.
        set_size: Gives it another size; ``None``: its transforms are found.
        alone: Whether the stream makes its batches by itself.
        uniform: Gives the samples of such a batch one size, where it lets us; ``None``:
            samples stay at full size, as windows are cut later.
        waste: Counts what this process is asked for after the end of its shard.
        drop_last: Whether a last batch that is short is among that.
    """

    __slots__ = (
        "_upsize_alone",
        "_upsize_drop_last",
        "_upsize_maker",
        "_upsize_seen",
        "_upsize_set_size",
        "_upsize_state",
        "_upsize_uniform",
        "_upsize_waste",
    )

    def __init__(
        self,
        dataset: Any,
        set_size: SetSize | None,
        alone: bool,
        uniform: UniformSize | None,
        waste: Waste,
        drop_last: bool,
    ) -> None:
        super().__init__(dataset)
        maker = SampleMaker(dataset, set_size, StreamReduction(batches=alone))
        self._upsize_set(_upsize_set_size=set_size, _upsize_maker=maker)
        self._upsize_set(_upsize_alone=alone, _upsize_uniform=uniform)
        self._upsize_set(_upsize_waste=waste, _upsize_drop_last=drop_last)
        self._upsize_set(_upsize_state=None, _upsize_seen=None)

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if name != "load_state_dict":
            return found

        def load(state: Any, *args: Any, **settings: Any) -> Any:
            self._upsize_set(_upsize_state=state)
            return found(state, *args, **settings)

        return load

    def _upsize_is_resumed(self) -> bool:
        """Return whether the next pass begins with a state that the stream was given."""
        # Of Hugging Face, 2.18 to 5.2, which keeps what it was given before.
        state = getattr(self._upsize_inner, "_starting_state_dict", self._upsize_state)
        is_new = state is not None and state is not self._upsize_seen
        self._upsize_set(_upsize_seen=state)
        return is_new

    def _parts(self) -> tuple[Any, ...]:
        return (
            self._upsize_inner,
            self._upsize_set_size,
            self._upsize_alone,
            self._upsize_uniform,
            self._upsize_waste,
            self._upsize_drop_last,
        )

    def __iter__(self) -> Iterator[Any]:
        inner = batching_with(self._upsize_inner, self._prepared)
        samples = iter(inner)
        has_state = hasattr(inner, "state_dict") or hasattr(samples, "state_dict")
        kind = _Samples if has_state else _CountedSamples
        return kind(samples, self)

    def _prepared(self, samples: list[Any]) -> list[Any]:
        """Return the samples of a batch that the stream makes itself."""
        token, uniform = NOW.token, self._upsize_uniform
        if token is None or uniform is None:
            return samples
        return uniform.samples(samples, token.size)  # type: ignore[no-any-return]


class _Samples(Proxy):
    """A pass over a stream, with the state of the stream if that has one."""

    __slots__ = ("_upsize_sizes", "_upsize_stream")

    def __init__(self, samples: Iterator[Any], stream: SizedStream) -> None:
        super().__init__(samples)
        self._upsize_set(_upsize_stream=stream)
        self._upsize_set(_upsize_sizes=set())  # of this pass

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        token = NOW.token
        if token is None:  # whoever asks is not a sized loader
            return self._next()
        self._upsize_sizes.add(token.size)
        try:
            whole = self._upsize_stream._upsize_uniform is None
            sample = self._made(token.full if whole else token.size, token.full)
        except Exception as error:
            if self._upsize_stream._upsize_alone and len(self._upsize_sizes) > 1:
                error.add_note(_MIXED)
            raise
        if sample is _END:
            self._end(token)
            raise StopIteration
        NOW.made = sample, token
        return sample

    def _made(self, size: Size, full: Size) -> Any:
        # Not an exception at the end: it would go through the contexts around it.
        if size == full:
            return self._last()
        with sample_size(size, full):
            maker: SampleMaker = self._upsize_stream._upsize_maker
            return maker.samples(self._last, size, full)

    def _end(self, token: Token) -> None:
        stream: SizedStream = self._upsize_stream
        is_short = NOW.made is not None and NOW.made[1] is token
        in_vain = stream._upsize_drop_last or not is_short
        stream._upsize_waste.end(token.number, in_vain=in_vain)

    def _last(self) -> Any:
        try:
            return self._next()
        except StopIteration:
            return _END

    def _next(self) -> Any:
        return next(self._upsize_inner)


class _CountedSamples(_Samples):
    """A pass over a stream without a state: a resume reads what was done, and drops it.

    torchdata would do so by itself, and ask for batches that no step gets.
    """

    __slots__ = ("_upsize_done", "_upsize_skip")

    def __init__(self, samples: Iterator[Any], stream: SizedStream) -> None:
        super().__init__(samples, stream)
        self._count(0, skip=0)

    def _count(self, done: int, *, skip: int) -> None:
        self._upsize_set(_upsize_done=done, _upsize_skip=skip)

    def _next(self) -> Any:
        # Here, where the size is that of a step: small images are dropped sooner.
        for _ in range(self._upsize_skip):
            next(self._upsize_inner, None)
        sample = next(self._upsize_inner)
        self._count(self._upsize_done + 1, skip=0)
        return sample

    def state_dict(self) -> dict[str, Any]:
        return {_SAMPLES: self._upsize_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        done = int(state[_SAMPLES])
        self._count(done, skip=done)
