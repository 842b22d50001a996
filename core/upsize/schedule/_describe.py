"""A schedule in words: one line that says what grows and when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from upsize.schedule._run import RunLength
from upsize.schedule._size import Size
from upsize.schedule._stage import Stage

__all__ = ["Growth", "describe_growth", "describe_moment", "describe_stages"]

_LISTED = 8


class Growth(NamedTuple):
    """How a run grows: its first size, then each size with its position in steps."""

    initial: Size
    sizes: list[Size]
    positions: list[Fraction]
    every: Fraction | None  # nominal steps between two resizes, if there are several


def describe_moment(steps: Fraction, run: RunLength) -> str:
    """Return a position as an epoch if epochs are known, else as a step."""
    if run.steps_per_epoch is None:
        return f"step {math.ceil(steps)}"
    return f"epoch {float(steps / run.steps_per_epoch):.4g}"


def _merged(growth: Growth) -> Growth:
    """Drop the resizes that have no effect after rounding to a multiple."""
    sizes: list[Size] = []
    positions: list[Fraction] = []
    for size, at in zip(growth.sizes, growth.positions, strict=True):
        if size != (sizes[-1] if sizes else growth.initial):
            sizes.append(size)
            positions.append(at)
    if len(sizes) == len(growth.sizes):
        return growth
    mean = (positions[-1] - positions[0]) / max(1, len(sizes) - 1)
    return Growth(growth.initial, sizes, positions, mean)


def _increments(growth: Growth) -> str:
    """Return the pixels per resize of the longer side, except for a short last one."""
    sides = [max(size) for size in (growth.initial, *growth.sizes)]
    steps = [b - a for a, b in pairwise(sides)]
    if len(steps) > 1 and steps[-1] < min(steps[:-1]):
        steps = steps[:-1]
    least, most = min(steps), max(steps)
    return f"{least}" if least == most else f"{least} to {most}"


def _interval(growth: Growth, run: RunLength) -> str:
    """Return the time between two resizes, in epochs if they are known."""
    assert growth.every is not None  # of several resizes
    if run.steps_per_epoch is None:
        unit, every = "steps", growth.every
    else:
        unit, every = "epochs", growth.every / run.steps_per_epoch
    if every == 1:
        return f"every {unit.removesuffix('s')}"
    number = f"{float(every):.2g}" if every < 1 else f"{round(float(every), 2):g}"
    return f"every {number} {unit}"


def describe_growth(growth: Growth, run: RunLength) -> str:
    """Describe even growth in one line: the first size, the increments, the last size.

    Example:
        >>> growth = Growth(
        ...     Size(112, 112),
        ...     [Size(168, 168), Size(224, 224)],
        ...     [Fraction(1000), Fraction(1500)],
        ...     Fraction(500),
        ... )
        >>> describe_growth(growth, RunLength(2000, 100))
        '112x112 until epoch 10, then +56 px every 5 epochs, 224x224 from epoch 15'
    """
    if not growth.sizes:
        return f"{growth.initial} from the start"
    growth = _merged(growth)
    first = f"{growth.initial} until {describe_moment(growth.positions[0], run)}"
    last = growth.sizes[-1]
    if len(growth.sizes) == 1:
        return f"{first}, then {last}"
    of_side = "" if last.height == last.width else " on the longer side"
    return (
        f"{first}, then +{_increments(growth)} px{of_side} {_interval(growth, run)}, "
        f"{last} from {describe_moment(growth.positions[-1], run)}"
    )


def describe_stages(stages: Sequence[Stage], run: RunLength) -> str:
    """Describe the stages of any schedule; if they are many, the first and the last.

    Example:
        >>> stages = [Stage(0, 1400, Size(128, 128)), Stage(1400, 3500, Size(224, 224))]
        >>> describe_stages(stages, RunLength(3500, 100))
        '128x128 until epoch 14, then 224x224'
    """
    first, last = stages[0], stages[-1]
    if len(stages) == 1:
        return f"{_words(first)} from the start"
    if len(stages) > _LISTED:
        begin = describe_moment(Fraction(last.start), run)
        return (
            f"{len(stages)} stages: {_words(first)} first, {_words(last)} from {begin}"
        )
    parts = [
        f"{_words(stage)} until {describe_moment(Fraction(stage.stop), run)}"
        for stage in stages[:-1]
    ]
    return f"{', '.join(parts)}, then {_words(last)}"


def _words(stage: Stage) -> str:
    """Return the size of a stage in words."""
    if isinstance(stage.size, Size):
        return f"{stage.size}"
    return (
        f"one of {len(stage.sizes)} drawn every {stage.size.every} steps ({stage.size})"
    )
