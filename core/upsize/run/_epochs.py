"""Epochs that do not have the planned number of batches."""

from __future__ import annotations

import warnings

from upsize.schedule import Plan, Schedule

__all__ = ["beyond_epoch", "counts_epochs", "left_epoch", "shorter_epoch"]

_EACH = "each loop over batches() counts as one epoch"


def counts_epochs(schedule: Schedule, plan: Plan) -> bool:
    """Whether a schedule needs to know where epochs begin.

    Args:
        schedule: The schedule.
        plan: The plan that it has made.

    Example:
        >>> from upsize.schedule import Ramp
        >>> ramps = Ramp(final_size=64), Ramp(final_size=64, start=2, finish=3)
        >>> [
        ...     counts_epochs(ramp, ramp.plan(total_steps=20, steps_per_epoch=5))
        ...     for ramp in ramps
        ... ]
        [False, True]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            schedule.plan(total_steps=plan.total_steps, final_size=plan.final_size)
        except ValueError:
            return True
    return False


def shorter_epoch(batches: int, left: int, *, known: bool) -> str:
    """Return the warning for an epoch with fewer batches than planned."""
    what = "the loader has" if known else "this epoch had"
    return (
        f"{what} {batches} batches, but steps_per_epoch leaves {left} for this epoch: "
        f"{_EACH}, and the next one begins the next epoch of the plan; if an epoch "
        "has several loaders, give batches() all of them, as with itertools.chain"
    )


def beyond_epoch(batches: int | None, planned: int) -> str:
    """Return the warning for an epoch with more batches than planned."""
    what = "this epoch has more" if batches is None else f"the loader has {batches}"
    return (
        f"{what} batches, but steps_per_epoch leaves {planned} for this epoch: "
        f"{_EACH}, and its further batches train at the size of its last step; give "
        "the batches of an epoch as steps_per_epoch"
    )


def left_epoch(done: int, planned: int, batches: int) -> str:
    """Return the warning for a loop that was left before the end of the epoch."""
    return (
        f"the last loop over batches() was left after {done} of "
        f"steps_per_epoch={planned} batches, and this one has {batches}, not the rest: "
        f"{_EACH}; if yours end early, give the batches that they train on as "
        "steps_per_epoch"
    )
