"""A size with a new random draw every few steps, as a pure function of the step."""

from __future__ import annotations

import contextlib
import math
import operator
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from upsize.schedule._frozen import Frozen
from upsize.schedule._shown import shown
from upsize.schedule._size import MAX_RESIZES, Size, WholeNumber

__all__ = [
    "RandomSize",
    "Seed",
    "check_seed",
    "collapse",
    "elementwise_max",
    "random_bits",
]

_BITS = 64
_MASK = (1 << _BITS) - 1


def check_seed(value: Any) -> int:
    """Return a seed, or refuse it."""
    with contextlib.suppress(TypeError):
        if (
            not isinstance(value, bool)
            and 0 <= (seed := operator.index(value)) <= _MASK
        ):
            return seed
    raise ValueError(f"must be a whole number from 0 to 2**64 - 1, not {shown(value)}")


Seed = Annotated[int, BeforeValidator(check_seed)]


def random_bits(seed: int, number: int) -> int:
    """Return the ``number``-th output, from 0, of SplitMix64 started at ``seed``.

    It uses integer arithmetic only, so its 64 bits are the same on every machine and in
    every version of Python. No output needs those before it.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014.

    Example:
        >>> [random_bits(1234567, n) for n in range(2)]
        [6457827717110365317, 3203168211198807973]
    """
    z = (seed + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class RandomSize(Frozen):
    """One of several sizes, with a new draw every few steps.

    The draw is a pure function of the seed and the step: all processes find the same
    size without communication, and a resumed run the sizes of an uninterrupted one.

    Args:
        choices: The sizes. A size that is listed twice is drawn twice as often.
        every: Steps for which a size holds, counted from step 0 of the run.
        seed: Seed of the draws, from 0 to 2**64 - 1.

    Note:
        At step n it is ``choices[len(choices) * x >> 64]`` with x output number
        ``n // every`` of SplitMix64 started at the seed.

    Example:
        >>> size = RandomSize(choices=((96, 96), (128, 128)), every=10, seed=0)
        >>> [size.at(step).width for step in (0, 9, 10, 20, 30)]
        [128, 128, 96, 96, 128]
        >>> print(size)
        96x96 to 128x128
    """

    choices: Annotated[tuple[Size, ...], Field(min_length=1, max_length=MAX_RESIZES)]
    every: WholeNumber
    seed: Seed

    def at(self, step: int) -> Size:
        """Return the size of a step.

        Args:
            step: Number of the step, from 0.

        Example:
            >>> RandomSize(choices=((96, 96), (128, 128)), every=10, seed=0).at(20)
            Size(height=96, width=96)
        """
        bits = random_bits(self.seed, step // self.every)
        return self.choices[len(self.choices) * bits >> _BITS]

    def draws(self, start: int, stop: int) -> Iterator[tuple[int, int, Size]]:
        """Yield each draw of steps ``start <= step < stop`` as (start, stop, size).

        Args:
            start: The first step, from 0.
            stop: The first step after them.

        Example:
            >>> size = RandomSize(choices=((96, 96), (128, 128)), every=10, seed=0)
            >>> [(start, stop, drawn.width) for start, stop, drawn in size.draws(5, 25)]
            [(5, 10, 128), (10, 20, 96), (20, 25, 96)]
        """
        while start < stop:
            end = min((start // self.every + 1) * self.every, stop)
            yield start, end, self.at(start)
            start = end

    @property
    def weights(self) -> dict[Size, Fraction]:
        """The distinct sizes, fewest pixels first, with their probabilities."""
        counts = Counter(self.choices)
        ordered = sorted(counts, key=lambda size: (math.prod(size), size))
        return {size: Fraction(counts[size], len(self.choices)) for size in ordered}

    def __str__(self) -> str:
        sizes = list(map(str, self.weights))
        return sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def _largest(a: Size, b: Size) -> Size:
    return Size(*map(max, a, b))


def elementwise_max(a: Size | RandomSize, b: Size | RandomSize) -> Size | RandomSize:
    """Return the larger of two sizes at each step, for each side by itself.

    Raises:
        ValueError: When both are random and drawn differently.

    Example:
        >>> size = RandomSize(choices=((96, 96), (128, 128)), every=10, seed=0)
        >>> elementwise_max(size, Size(112, 112)).choices
        (Size(height=112, width=112), Size(height=128, width=128))
        >>> print(elementwise_max(size, Size(160, 160)))
        160x160
    """
    if isinstance(a, Size):
        if isinstance(b, Size):
            return _largest(a, b)
        a, b = b, a
    others = (b,) * len(a.choices) if isinstance(b, Size) else b.choices
    if isinstance(b, RandomSize) and (
        (a.every, a.seed, len(a.choices)) != (b.every, b.seed, len(b.choices))
    ):
        raise ValueError(
            f"the random sizes of two plans are drawn differently: {shown(a)} and "
            f"{shown(b)}; resume with the schedule of the saved plan"
        )
    choices = tuple(map(_largest, a.choices, others))
    return RandomSize(choices=choices, every=a.every, seed=a.seed)


def collapse(size: Size | RandomSize, final: Size) -> Size | RandomSize:
    """Return the final size for draws that have no other size."""
    if isinstance(size, RandomSize) and set(size.choices) == {final}:
        return final
    return size
