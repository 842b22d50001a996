"""What a checkpoint keeps: the plan. Lightning itself keeps the counters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from upsize.lightning._clock import Counts
from upsize.run._resume import resume
from upsize.schedule import Plan

__all__ = ["State", "go_on", "read_state"]


class State(BaseModel):
    """A plan and what its steps are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    counts: Counts
    plan: Plan


def read_state(state: Any) -> State:
    """Check the state of a checkpoint.

    Raises:
        ValueError: When it is none of ours; says what is wrong with it.
    """
    try:
        return State.model_validate(state)
    except ValidationError as error:
        raise ValueError(
            "the checkpoint's state of upsize.ProgressiveResize is broken; without it "
            'training goes on by a plan of its own: del checkpoint["callbacks"]'
            f'["upsize.ProgressiveResize"]: {error}'
        ) from error


def go_on(saved: State, mine: State, *, stacklevel: int = 2) -> State:
    """Return the state to go on with: the saved one, rebound to another length.

    Raises:
        ValueError: When the plans are of different schedules, full sizes or counters.

    Warns:
        UserWarning: When the run has another length than the saved one.
    """
    if saved.counts != mine.counts:
        raise ValueError(
            f"the checkpoint's plan counts {saved.counts} and this run's counts "
            f"{mine.counts}: resume with the total_steps= and the kind of optimisation "
            "and of data that it was saved with"
        )
    plan = resume(saved.plan, mine.plan, stacklevel=stacklevel + 1)
    return State(counts=mine.counts, plan=plan)
