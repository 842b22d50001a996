"""torch's random numbers, for the crops and flips of images: one by one, or many at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Numbers", "OneByOne", "numbers_ahead"]

_BITS = 0xFFFFFFFF
# Those of an image and its flip, and of every other crop that does not fit its image.
_FOR_IMAGE = 8
# torch's generator makes two 32-bit numbers of one that is larger.
_LARGEST = 1 << 28


class Numbers(Protocol):
    """Draws random numbers by torch's generator of the CPU."""

    def uniform(self, low: float, high: float) -> float:
        """Draw a number from ``low`` up to ``high``, in torch's default precision."""
        ...

    def exp_uniform(self, low: float, high: float) -> float:
        """Draw the exponential of such a number."""
        ...

    def below(self, end: int) -> int:
        """Draw a whole number from 0 up to ``end``, which is not drawn itself."""
        ...


class OneByOne:
    """Draws each number when it is asked for, as torchvision's transforms do."""

    def __init__(self) -> None:
        self._drawn = torch.empty(1)
        self._whole = torch.empty(1, dtype=torch.int64)

    def uniform(self, low: float, high: float) -> float:
        """Draw a number from ``low`` up to ``high``."""
        return self._drawn.uniform_(low, high).item()

    def exp_uniform(self, low: float, high: float) -> float:
        """Draw the exponential of such a number."""
        return self._drawn.uniform_(low, high).exp_().item()

    def below(self, end: int) -> int:
        """Draw a whole number from 0 up to ``end``."""
        return int(self._whole.random_(0, end).item())


class _Ahead:
    """Draws the numbers of :class:`OneByOne`, many by each call of torch.

    What the next number of the generator is used for shows when it is asked for. So it
    is drawn in each way that it may be, with the generator set back in between.

    Args:
        count: About how many there will be.
    """

    def __init__(self, count: int) -> None:
        self._generator = torch.default_generator
        self._start = self._generator.get_state()
        self._count, self._taken = max(2, count + count % 2), 0
        # By the range of the numbers.
        self._uniform: dict[tuple[float, float], memoryview] = {}
        self._exp: dict[tuple[float, float], memoryview] = {}
        self._bits: memoryview | None = None

    def _next(self) -> int:
        place = self._taken
        if place == self._count:
            self._count *= 2
            self._uniform.clear()
            self._exp.clear()
            self._bits = None
        self._taken = place + 1
        return place

    def uniform(self, low: float, high: float) -> float:
        """Draw a number from ``low`` up to ``high``."""
        place = self._next()
        table = self._uniform.get((low, high))
        if table is None:
            table = self._uniform[low, high] = _table(self._drawn(low, high))
        return table[place]

    def exp_uniform(self, low: float, high: float) -> float:
        """Draw the exponential of such a number."""
        place = self._next()
        table = self._exp.get((low, high))
        if table is None:
            table = self._exp[low, high] = _table(self._drawn(low, high).exp_())
        return table[place]

    def _drawn(self, low: float, high: float) -> Tensor:
        self._generator.set_state(self._start)
        return torch.empty(self._count).uniform_(low, high)

    def below(self, end: int) -> int:
        """Draw a whole number from 0 up to ``end``."""
        assert end < _LARGEST
        place = self._next()
        if self._bits is None:
            self._generator.set_state(self._start)
            self._bits = _table(_pairs(self._count).view(torch.int32))
        # The first number of a pair is its upper half.
        return (self._bits[place ^ 1] & _BITS) % end

    def leave(self) -> None:
        """Set the generator behind the numbers that were taken, and no further."""
        self._generator.set_state(self._start)
        torch.empty(self._taken).uniform_()


def _pairs(count: int) -> Tensor:
    """Draw numbers of 64 bits, each of two of the generator's."""
    return torch.empty(count // 2, dtype=torch.int64).random_(-(2**63), None)


def _table(numbers: Tensor) -> memoryview:
    """Return numbers to take some of, as Python's: to make a list of all takes longer."""
    array: Any = numbers.numpy()
    return memoryview(array)


@contextmanager
def numbers_ahead(images: int) -> Iterator[Numbers]:
    """Draw numbers for many images, the same as one by one, in a tenth of the time.

    Nothing else may draw from torch's generator inside. After it the generator is where
    it would be one by one.

    Args:
        images: How many, for each of which about five are drawn.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> with numbers_ahead(1) as numbers:
        ...     ahead = numbers.uniform(0.08, 1.0), numbers.below(100)
        >>> _ = torch.manual_seed(0)
        >>> one_by_one = OneByOne()
        >>> ahead == (one_by_one.uniform(0.08, 1.0), one_by_one.below(100))
        True
    """
    like = torch.empty(0)
    usual = like.dtype == torch.float32 and like.device.type == "cpu"
    if not (usual and _agree()):
        yield OneByOne()
        return
    numbers = _Ahead(_FOR_IMAGE * images)
    try:
        yield numbers
    finally:
        numbers.leave()


@lru_cache
def _agree() -> bool:
    """Return whether this version of torch draws the same numbers in both ways."""
    state = torch.get_rng_state()
    try:
        ahead = _Ahead(2)
        found = [_some(ahead)]
        ahead.leave()
        found.append(_some(OneByOne()))
        torch.set_rng_state(state)
        return found == [_some(OneByOne()), _some(OneByOne())]
    finally:
        torch.set_rng_state(state)


def _some(numbers: Numbers) -> list[float]:
    return [
        number
        for end in (7, 640, 65_537)
        for number in (
            numbers.uniform(0.08, 1.0),
            numbers.exp_uniform(-0.25, 0.25),
            numbers.below(end),
            numbers.below(end),
            numbers.uniform(0.0, 1.0),
        )
    ]
