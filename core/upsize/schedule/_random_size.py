"""A size that is drawn anew every few steps, as a pure function of the step."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from upsize.schedule._size import Size, WholeNumber

__all__ = ["RandomSize", "Seed", "larger", "random_bits", "settled"]

_BITS = 64
_MASK = (1 << _BITS) - 1


def _check_seed(value: Any) -> int:
    with contextlib.suppress(TypeError):
        if (
            not isinstance(value, bool)
            and 0 <= (seed := operator.index(value)) <= _MASK
        ):
            return seed
    raise ValueError(f"must be a whole number from 0 to 2**64 - 1, not {value!r}")


Seed = Annotated[int, BeforeValidator(_check_seed)]


def random_bits(seed: int, number: int) -> int:
    """Return the ``number``-th output, from 0, of SplitMix64 started at ``seed``.

    64 bits by integer arithmetic alone: the same on every machine and in every version
    of Python. Any output is found without those before it.

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


class RandomSize(BaseModel):
    """One of several sizes, drawn anew every few steps.

    The draw is a pure function of the seed and the step: every process finds the same
    size by itself, and a resumed run those of the one that was not interrupted.

    Args:
        choices: The sizes. One that stands twice is drawn twice as often.
        every: Steps for which a size holds, counted from step 0 of the run.
        seed: From 0 to 2**64 - 1.

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

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    choices: Annotated[tuple[Size, ...], Field(min_length=1)]
    every: WholeNumber
    seed: Seed

    def at(self, step: int) -> Size:
        """Return the size of a step, from 0."""
        bits = random_bits(self.seed, step // self.every)
        return self.choices[len(self.choices) * bits >> _BITS]

    def draws(self, start: int, stop: int) -> Iterator[tuple[int, int, Size]]:
        """Yield each draw of the steps ``start <= step < stop`` as (start, stop, size)."""
        while start < stop:
            end = min((start // self.every + 1) * self.every, stop)
            yield start, end, self.at(start)
            start = end

    @property
    def weights(self) -> dict[Size, Fraction]:
        """The distinct sizes, fewest pixels first, and how probable each is."""
        ordered = sorted(self.choices, key=lambda size: (math.prod(size), size))
        part = Fraction(1, len(ordered))
        return {size: part * ordered.count(size) for size in dict.fromkeys(ordered)}

    def __str__(self) -> str:
        sizes = list(map(str, self.weights))
        return sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def _largest(a: Size, b: Size) -> Size:
    return Size(*map(max, a, b))


def larger(a: Size | RandomSize, b: Size | RandomSize) -> Size | RandomSize:
    """Return what is at each step the larger of two sizes, side by side.

    Raises:
        ValueError: When both are random and of different draws.

    Example:
        >>> size = RandomSize(choices=((96, 96), (128, 128)), every=10, seed=0)
        >>> larger(size, Size(112, 112)).choices
        (Size(height=112, width=112), Size(height=128, width=128))
        >>> print(larger(size, Size(160, 160)))
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
            f"the random sizes of two plans are drawn differently: {a!r} and {b!r}; "
            "resume with the schedule of the saved plan"
        )
    choices = tuple(map(_largest, a.choices, others))
    return RandomSize(choices=choices, every=a.every, seed=a.seed)


def settled(size: Size | RandomSize, final: Size) -> Size | RandomSize:
    """Return the final size for draws that can give nothing else."""
    if isinstance(size, RandomSize) and set(size.choices) == {final}:
        return final
    return size
