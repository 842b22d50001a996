"""Counting batches and optimizer steps, and the state that a checkpoint keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from upsize.schedule import Plan

__all__ = ["Clock", "State", "advance", "end_epoch", "read_state"]

Count = Annotated[int, Field(ge=0, strict=True)]


class Clock(NamedTuple):
    """How far a run is: optimizer steps in all, batches in its epoch and window."""

    step: int = 0
    batch: int = 0
    window: int = 0


def advance(clock: Clock, accumulate: int, batches_per_epoch: int | None) -> Clock:
    """Count a batch; a step is done at the end of a window and of an epoch."""
    step, batch, window = clock.step, clock.batch + 1, clock.window + 1
    at_end = batches_per_epoch is not None and batch >= batches_per_epoch
    if at_end or window >= accumulate:
        step, window = step + 1, 0
    return Clock(step, 0 if at_end else batch, window)


def end_epoch(clock: Clock) -> Clock:
    """Close the epoch, and the window that may be open."""
    return Clock(clock.step + (clock.window > 0))


class State(BaseModel):
    """What a checkpoint keeps: the plan, the clock and the window's length."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    plan: Plan
    accumulate: Annotated[int, Field(ge=1, strict=True)]
    step: Count
    batch: Count
    window: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.window >= self.accumulate or self.window > self.batch:
            raise ValueError(
                f"window={self.window} must be below accumulate={self.accumulate} and "
                f"not above batch={self.batch}"
            )
        return self


def read_state(state: Any) -> State:
    """Check a state dict.

    Raises:
        ValueError: When it is none of ours; says what is wrong with it.
    """
    try:
        return State.model_validate(state)
    except ValidationError as error:
        raise ValueError(
            f"this is no state_dict() of upsize's ProgressiveResize: {error}"
        ) from error
