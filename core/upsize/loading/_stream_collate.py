"""Batches of a stream, collated at the size that their samples were asked for."""

from __future__ import annotations

from typing import Any

from upsize.loading._batches import SizedBatch
from upsize.loading._dataset import SizedCollate
from upsize.loading._tokens import NOW
from upsize.loading._uniform import UniformSize
from upsize.loading._window import WindowCutter

__all__ = ["StreamCollate"]


class StreamCollate(SizedCollate):
    """Collates the samples of a stream at the size of the batch that asked for them.

    Args:
        collate: The function of the loader.
        transforms: Whether it holds transforms, which get the size as well.
        cutter: Cuts the window of the batch; ``None``: samples are made small.
        alone: Whether the stream makes its batches by itself, and each comes alone.
        uniform: Gives all samples the size of the batch; ``None``: ``collate`` does.
    """

    __slots__ = ("_upsize_alone", "_upsize_uniform")

    def __init__(
        self,
        collate: Any,
        transforms: bool = False,
        cutter: WindowCutter | None = None,
        alone: bool = False,
        uniform: UniformSize | None = None,
    ) -> None:
        super().__init__(collate, transforms, cutter)
        self._upsize_set(_upsize_alone=alone, _upsize_uniform=uniform)

    def _parts(self) -> tuple[Any, ...]:
        return (*super()._parts(), self._upsize_alone, self._upsize_uniform)

    def __call__(self, samples: Any) -> Any:
        """Return the batch."""
        made, NOW.made = NOW.made, None
        # Others may call it as well, with samples of their own.
        if made is None or not samples or samples[-1] is not made[0]:
            return self._collated(samples)
        token, uniform = made[1], self._upsize_uniform
        if uniform is not None:
            samples = uniform.samples(samples, token.size)
        return super().__call__(SizedBatch(samples, token.size, token.full))

    def _collated(self, samples: Any) -> Any:
        return super()._collated(samples[0] if self._upsize_alone else samples)
