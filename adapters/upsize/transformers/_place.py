"""Where a training whose batch grows continues after a checkpoint."""

from __future__ import annotations

import warnings

from upsize.run._epoch_steps import steps_in_epoch
from upsize.run._resume import resumed
from upsize.run._state import State
from upsize.schedule import Plan, Schedule
from upsize.schedule._shown import shown

__all__ = ["place_of"]

_AS_IT_WAS = "and a Trainer continues at the same step, which would be in another epoch"


def place_of(
    epoch: float, saved: State | None, plan: Plan, unit: str, schedule: Schedule
) -> int:
    """Return the step of the plan at which a training continues.

    The checkpoint tells its epoch exactly, also if epochs before it ended early.

    Args:
        epoch: The epoch of the checkpoint, and the share of it that is done.
        saved: The state of upsize in it; ``None``: there is none.
        plan: The plan to continue with.
        unit: What its steps are.
        schedule: The schedule that it was made by.

    Raises:
        ValueError: When the steps of the saved run are of other batches, or it is of
            something else.
    """
    if saved is None:
        raise ValueError(
            "batch_size=Grow(...) finds its place in an epoch by the plan of the steps "
            "that are done, and this checkpoint has none: resume a run with upsize, or "
            "leave out batch_size="
        )
    for name in ("samples_per_epoch", "batch_size", "grow"):
        old, new = getattr(saved.plan, name), getattr(plan, name)
        if old != new:
            raise ValueError(
                f"the saved run has {name}={shown(old)} and this one {shown(new)}, "
                f"{_AS_IT_WAS}: resume with batches as they were"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the run warns
        following = resumed(saved, plan, unit, schedule)
    whole = int(epoch)
    done = saved.plan.epoch_start(whole)
    if epoch != whole:
        done += round((epoch - whole) * steps_in_epoch(saved.plan, whole))
    is_same = plan.samples_at(done) == saved.plan.samples_at(done)
    if not is_same or following.stages != plan.stages:
        raise ValueError(
            f"the saved run has {saved.plan.total_steps} steps and this one "
            f"{plan.total_steps}, with other batches in the same epoch, {_AS_IT_WAS}: "
            "resume with num_train_epochs as it was, or let the schedule have moments in "
            "epochs (start=2) in the place of shares (0.3)"
        )
    return done
