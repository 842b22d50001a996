"""The stages of a plan: stretches of steps at one size."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

from pydantic import Strict

from upsize.schedule._random_size import RandomSize, collapse, elementwise_max
from upsize.schedule._shown import shown
from upsize.schedule._size import MAX_RESIZES, MAX_SIDE, Size, as_size

__all__ = [
    "MAX_STAGES",
    "Stage",
    "check_stages",
    "larger_of",
    "read_changes",
    "stages_of",
]


#: Two sides that resize at different steps, and the stages before and after.
MAX_STAGES = 3 * MAX_RESIZES
_MAX_SIZES = 20 * MAX_RESIZES


class Stage(NamedTuple):
    """A stretch of a run: steps ``start <= step < stop`` at one size.

    Args:
        start: Its first step, from 0.
        stop: The first step after it.
        size: Its size in pixels; a :class:`RandomSize` in multi-scale training.

    Example:
        >>> Stage(0, 1470, Size(112, 112))
        Stage(start=0, stop=1470, size=Size(height=112, width=112))
    """

    start: Annotated[int, Strict()]
    stop: Annotated[int, Strict()]
    size: Size | RandomSize

    @property
    def weights(self) -> dict[Size, Fraction]:
        """Its distinct sizes, fewest pixels first, and the share of steps of each.

        For random sizes it is the expected share.
        """
        if isinstance(self.size, RandomSize):
            return self.size.weights
        return {self.size: Fraction(1)}

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Its distinct sizes, fewest pixels first."""
        return tuple(self.weights)

    @property
    def pixels(self) -> Fraction:
        """Pixels of one image of each step; for random sizes the expected number."""
        mean = sum(math.prod(size) * share for size, share in self.weights.items())
        return (self.stop - self.start) * Fraction(mean)


def read_changes(changes: Iterable[Any]) -> list[tuple[int, Size | RandomSize]]:
    """Return a schedule's (step, size) changes as ints and sizes.

    Raises:
        ValueError: When one is not a pair of a step and a size, the first is not at
            step 0, or a step is before the one that precedes it.

    Example:
        >>> read_changes([(0, 112), (50, (160, 224))])
        [(0, Size(height=112, width=112)), (50, Size(height=160, width=224))]
    """
    read: list[tuple[int, Size | RandomSize]] = []
    for change in changes:
        if len(read) == MAX_STAGES:
            raise ValueError(f"must be at most {MAX_STAGES:,}: resize less often")
        try:
            at, size = change
            step = operator.index(at)
        except (TypeError, ValueError):
            raise ValueError(
                f"must be (step, size) pairs, such as (500, 160), not {shown(change)}"
            ) from None
        read.append((step, size if isinstance(size, RandomSize) else as_size(size)))
    if not read or read[0][0] != 0:
        raise ValueError(
            f"must begin at step 0, not {shown(read[0] if read else read)}"
        )
    for (before, _), (after, _) in pairwise(read):
        if after < before:
            raise ValueError(f"must ascend: step {after} comes after step {before}")
    return read


def stages_of(
    changes: Iterable[tuple[int, Size | RandomSize]], total_steps: int
) -> tuple[Stage, ...]:
    """Turn ascending (step, size) changes, the first at step 0, into stages.

    If several changes have the same step, the last one counts. Changes to the same size
    and those after the end do not count.

    Example:
        >>> changes = [(0, Size(8, 8)), (3, Size(12, 12)), (3, Size(16, 16))]
        >>> [(start, stop, str(size)) for start, stop, size in stages_of(changes, 5)]
        [(0, 3, '8x8'), (3, 5, '16x16')]
    """
    kept: list[tuple[int, Size | RandomSize]] = []
    for step, size in changes:
        if step >= total_steps:
            break
        if kept and kept[-1][0] == step:
            kept.pop()
        if not kept or kept[-1][1] != size:
            kept.append((step, size))
    kept.append((total_steps, kept[-1][1]))
    return tuple(Stage(a, b, size) for (a, size), (b, _) in pairwise(kept))


def larger_of(a: Sequence[Stage], b: Sequence[Stage], final: Size) -> tuple[Stage, ...]:
    """Return the stages with the larger size of two plans at each step."""

    def at(stages: Sequence[Stage], step: int) -> Size | RandomSize:
        return stages[
            bisect_right(stages, step, key=lambda stage: stage.start) - 1
        ].size

    changes = [
        (step, collapse(elementwise_max(at(a, step), at(b, step)), final))
        for step in sorted({stage.start for stage in (*a, *b)})
    ]
    return stages_of(changes, a[-1].stop)


def check_stages(stages: Sequence[Stage], total_steps: int, final: Size) -> None:
    """Refuse stages that do not make up a run.

    Raises:
        ValueError: When they have a gap, overlap or do not end at ``total_steps``; when
            a size is empty or larger than ``final``, or fixed sizes shrink.
    """
    if len(stages) > MAX_STAGES:
        raise ValueError(
            f"stages must be at most {MAX_STAGES:,}, not {len(stages):,}: resize less "
            "often"
        )
    starts = [stage.start for stage in stages] + [total_steps]
    stops = [0] + [stage.stop for stage in stages]
    if starts != stops or any(stage.start >= stage.stop for stage in stages):
        raise ValueError(
            f"stages must follow each other from step 0 to {total_steps}, not "
            f"{shown([(stage.start, stage.stop) for stage in stages])}"
        )
    count = sum(
        1 if isinstance(stage.size, Size) else len(stage.size.choices)
        for stage in stages
    )
    if count > _MAX_SIZES:
        raise ValueError(
            f"stages must have at most {_MAX_SIZES:,} random sizes in all, not "
            f"{count:,}: draw from fewer sizes"
        )
    sizes = [*(size for stage in stages for size in stage.sizes), final]
    if min(map(min, sizes)) < 1:
        raise ValueError(f"sizes must be at least 1 pixel, not {shown(sizes)}")
    if max(final) > MAX_SIDE:
        raise ValueError(
            f"final_size must be at most {MAX_SIDE:,} pixels a side, not {shown(final)}"
        )
    fixed = [stage.size for stage in stages if isinstance(stage.size, Size)]
    for before, after in pairwise([*fixed, final]):
        if after.height < before.height or after.width < before.width:
            raise ValueError(f"sizes must never shrink, not {before} to {after}")
    for size in sizes:
        if elementwise_max(size, final) != final:
            raise ValueError(
                f"sizes must not be larger than the final_size {final}, but one is "
                f"{size}"
            )
