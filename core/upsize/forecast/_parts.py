"""The time of a plan, by what it is spent on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from upsize.forecast._costs import SizeCost
from upsize.schedule import Plan, Size

__all__ = ["PARTS", "StepCount", "step_counts", "time_by_part"]

PARTS = ("loader", "epoch start", "resize", "step", "size change", "validation")


class StepCount(NamedTuple):
    """How many steps are trained at a size, and how many epochs begin with it."""

    steps: float
    starts: float


def step_counts(plan: Plan) -> dict[Size, StepCount]:
    """Return what a plan does at each size; of random ones what is to be expected.

    Example:
        >>> from upsize.schedule import Ramp
        >>> ramp = Ramp(final_size=64, increase_by=32)
        >>> plan = ramp.plan(epochs=3, steps_per_epoch=10)
        >>> {str(size): tuple(count) for size, count in step_counts(plan).items()}
        {'32x32': (15.0, 2.0), '64x64': (15.0, 1.0)}
    """
    starts = dict.fromkeys(plan.sizes, 0.0)
    for stage in plan.stages:
        first, last = plan.epoch_at(stage.start), plan.epoch_at(stage.stop)
        if first is not None and last is not None:
            begun = math.ceil(last) - math.ceil(first)
            for size, share in stage.weights.items():
                starts[size] += begun * float(share)
    return {
        size: StepCount(float(steps), starts[size])
        for size, steps in plan.steps_by_size.items()
    }


def time_by_part(
    plan: Plan,
    cost_at: Callable[[Size], SizeCost],
    size_change: float,
    validation: float | None,
) -> dict[str, float]:
    """Return the seconds of a plan, by part.

    Args:
        plan: The plan.
        cost_at: The cost of a step at a size.
        size_change: Seconds for each size after the first.
        validation: Seconds after each epoch; ``None``: not counted.
    """
    seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    for size, count in step_counts(plan).items():
        cost = cost_at(size)
        seconds["loader"] += count.steps * cost.wait
        seconds["epoch start"] += count.starts * (cost.first_batch - cost.wait)
        seconds["resize"] += count.steps * cost.resize
        seconds["step"] += count.steps * cost.step
    seconds["size change"] = (len(plan.sizes) - 1) * size_change
    seconds["validation"] = (validation or 0.0) * float(plan.epochs or 0)
    return seconds
