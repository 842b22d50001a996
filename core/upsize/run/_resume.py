"""The plan of a run that goes on from a saved one."""

from __future__ import annotations

import warnings

from upsize.schedule import Plan

__all__ = ["resume"]


def resume(saved: Plan, mine: Plan, *, stacklevel: int = 2) -> Plan:
    """Return the plan to go on with: the saved one, rebound to another length.

    Args:
        saved: The plan of the checkpoint.
        mine: The plan that the new run has made.
        stacklevel: Where the warning points to; 2 is the caller.

    Raises:
        ValueError: When they are of different schedules or full sizes.

    Warns:
        UserWarning: When the run has another length than the saved one.
    """
    for name in ("schedule", "final_size"):
        old, new = getattr(saved, name), getattr(mine, name)
        if old != new:
            raise ValueError(
                f"the state is of another {name}: {old!r}, not {new!r}; resume with "
                "the saved one"
            )
    length = (mine.total_steps, mine.steps_per_epoch)
    if length == (saved.total_steps, saved.steps_per_epoch):
        return saved
    warnings.warn(
        f"the saved run has {saved.total_steps} steps and this one "
        f"{mine.total_steps}: each step trains at the larger of both plans' sizes",
        UserWarning,
        stacklevel=stacklevel,
    )
    return saved.rebind(total_steps=length[0], steps_per_epoch=length[1])
