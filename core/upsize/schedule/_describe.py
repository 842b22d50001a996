"""A schedule in words: the two sentences that the reference prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from upsize.schedule._moment import IncreaseMode
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


def _interval(growth: Growth, run: RunLength, mode: IncreaseMode) -> str:
    """Return the time between two resizes, in epochs if they are known."""
    if growth.every is None:
        return "in 1 resize"
    if run.steps_per_epoch is None:
        unit, every = "steps", float(growth.every)
    else:
        unit, every = "epochs", float(growth.every / run.steps_per_epoch)
        if mode is IncreaseMode.Epoch and every == 1:
            unit = "epoch"
    return f"every {every:.4g} {unit} for {len(growth.sizes)} resizes"


def describe_growth(growth: Growth, run: RunLength, mode: IncreaseMode) -> str:
    """Return the two sentences of the reference, exact to the letter and the space."""
    if not growth.sizes:
        return f"Train at the full image size of {list(growth.initial)} from the start."
    growth = _merged(growth)
    # The reference has a space before the line break in batch mode only.
    gap = " \n" if mode is IncreaseMode.Batch else "\n"
    return (
        f"Progressively increase the initial image size of {list(growth.initial)} by "
        f"{_increments(growth)} pixels {_interval(growth, run, mode)}.{gap}Starting at "
        f"{describe_moment(growth.positions[0], run)} and finishing at "
        f"{describe_moment(growth.positions[-1], run)} for a final training size of "
        f"{list(growth.sizes[-1])}."
    )


def describe_stages(stages: Sequence[Stage], run: RunLength) -> str:
    """Describe the stages of any schedule; if they are many, by their number."""

    def part(stage: Stage) -> str:
        return f"{_words(stage)} from {describe_moment(Fraction(stage.start), run)}"

    if len(stages) <= _LISTED:
        return f"Train at an image size of {', '.join(map(part, stages))}."
    return (
        f"Train in {len(stages)} stages at image sizes of {part(stages[0])} to "
        f"{part(stages[-1])}."
    )


def _words(stage: Stage) -> str:
    """Return the size of a stage in words."""
    if isinstance(stage.size, Size):
        return f"{list(stage.size)}"
    return (
        f"one of {len(stage.sizes)} drawn every {stage.size.every} steps ({stage.size})"
    )
