"""A step of one plan in another: the same share of the samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upsize.schedule._samples import PlanSamples

__all__ = ["moved", "moved_back"]


def moved(step: int, saved: PlanSamples, plan: PlanSamples) -> int:
    """Convert a step of a saved run to a run with epochs of another length.

    Args:
        step: Steps that the saved run has done.
        saved: The plan of the saved run.
        plan: The plan of the run that resumes it, with another batch size or number of
            processes and so with other steps per epoch.

    Returns:
        The first step that is not before the same share of the epoch: of its samples if
        both plans know them, else of its steps; ``step`` itself if epochs have the same
        length or an unknown one.

    Example:
        >>> from upsize.schedule import Ramp
        >>> ramp = Ramp(final_size=224)
        >>> moved(
        ...     600, ramp.plan(epochs=10, steps_per_epoch=100),
        ...     ramp.plan(epochs=10, steps_per_epoch=50),
        ... )
        300
        >>> moved(
        ...     3, ramp.plan(epochs=10, samples_per_epoch=100, batch_size=30),
        ...     ramp.plan(epochs=10, samples_per_epoch=100, batch_size=10),
        ... )
        9
    """
    mine, theirs = plan.steps_per_epoch, saved.steps_per_epoch
    samples = plan.samples_per_epoch
    knows_samples = samples is not None and saved.samples_per_epoch is not None
    if not knows_samples and mine is not None and theirs is not None:
        # One of them does not say how short the last batch of an epoch is.
        return -(-step * mine // theirs)
    # Rounded up, so that no size is smaller than the one before.
    epochs = saved.epoch_at(step)
    if epochs is not None and samples is not None:
        return plan.step_at(math.ceil(epochs * samples))
    if epochs is not None and mine is not None:
        return math.ceil(epochs * mine)
    return step


def moved_back(step: int, saved: PlanSamples, plan: PlanSamples) -> int:
    """Convert a step of a saved run likewise, to the last step that is not after it.

    A batch that grows is cut where the size changes. Were the change later than in the
    saved run, a batch between the two would shrink.

    Args:
        step: Steps that the saved run has done.
        saved: The plan of the saved run.
        plan: The plan of the run that resumes it, which knows its samples.

    Example:
        >>> from upsize.schedule import Ramp
        >>> ramp = Ramp(final_size=224)
        >>> moved_back(
        ...     4, ramp.plan(epochs=10, samples_per_epoch=100, batch_size=20),
        ...     ramp.plan(epochs=10, samples_per_epoch=100, batch_size=30),
        ... )
        2
    """
    epochs, samples = saved.epoch_at(step), plan.samples_per_epoch
    if epochs is None or samples is None:
        return step
    done = math.floor(epochs * samples)
    found = plan.step_at(done)
    return found if plan.samples_at(found) <= done else found - 1
