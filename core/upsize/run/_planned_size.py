"""Sizes that know the step that they are of, for loaders that cut its window."""

from __future__ import annotations

from collections.abc import Callable

from upsize.resize import Resizer
from upsize.schedule import Plan, Size

__all__ = ["PlannedSize", "sizes_of", "step_of"]


class PlannedSize(Size):
    """The size of a step of a plan, and the step, which draws the window of its batch.

    A size like any other to whoever asks for no step. It goes to the workers.
    """

    step: int


def sizes_of(plan: Plan, resizer: Resizer) -> Callable[[int], Size]:
    """Return what gives the size of a step of a plan.

    Args:
        plan: The plan.
        resizer: Cuts windows, or resizes: then the step does not matter.

    Example:
        >>> from upsize.schedule import Ramp
        >>> size_at = sizes_of(Ramp(final_size=64).plan(total_steps=9), Resizer("crop"))
        >>> size_at(3), step_of(size_at(3))
        (PlannedSize(height=32, width=32), 3)
    """
    if resizer.mode != "crop":
        return plan.size_at

    def planned(step: int) -> Size:
        size = PlannedSize(*plan.size_at(step))
        size.step = step
        return size

    return planned


def step_of(size: Size) -> int:
    """Return the step that a size is of; 0: it does not say.

    Example:
        >>> step_of(Size(32, 32))
        0
    """
    return size.step if isinstance(size, PlannedSize) else 0
