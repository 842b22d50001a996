"""What a checkpoint keeps of a training run."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from upsize.run._position import Position
from upsize.schedule import Plan
from upsize.schedule._shown import shown

__all__ = ["LoopState", "State", "read_state"]

# No run is longer, and Python writes out no number of thousands of digits.
_MOST = 1 << 63
_LONGEST = 100

Count = Annotated[int, Field(ge=0, le=_MOST, strict=True)]


class State(BaseModel):
    """The plan of a run, the unit of its steps, and their shift from the counter.

    ``shift`` is added to the counter of the framework, after a resume with another
    number of steps per epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(strict=True, ge=1, le=1)] = 1
    unit: Annotated[str, Field(max_length=32, strict=True)]
    plan: Plan
    shift: Annotated[int, Field(ge=-_MOST, le=_MOST, strict=True)] = 0


class LoopState(State):
    """The same with the position, for a loop that has no counters of its own."""

    # The counter of such a loop is the plan's.
    shift: Annotated[int, Field(ge=0, le=0, strict=True)] = 0
    accumulate: Annotated[int, Field(ge=1, le=_MOST, strict=True)]
    step: Count
    batch: Count
    window: Count
    epoch_step: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.window >= self.accumulate or self.window > self.batch:
            raise ValueError(
                f"window={self.window} must be below accumulate={self.accumulate} and "
                f"not above batch={self.batch}"
            )
        least = self.epoch_step + self.batch // self.accumulate
        most = self.epoch_step + self.batch
        if not least <= self.step <= most:
            raise ValueError(
                f"step={self.step} must be from {least} to {most}, at "
                f"batch={self.batch} of the epoch that began with step "
                f"{self.epoch_step}"
            )
        return self

    @property
    def position(self) -> Position:
        """Where the run was."""
        return Position(self.step, self.batch, self.window, self.epoch_step)


AnyState = TypeVar("AnyState", bound=State)


def read_state(kind: type[AnyState], state: Any, where: str = "this") -> AnyState:
    """Check the state of a training run.

    Args:
        kind: :class:`State`, or :class:`LoopState` for one with a position.
        state: What ``state_dict()`` returned.
        where: Where it is from, for the error.

    Raises:
        ValueError: When it is not a state of upsize; says what is wrong with it.
    """
    try:
        return kind.model_validate(state)
    except (ValidationError, RecursionError) as error:
        problem = (
            "; ".join(
                f"{_place(each['loc'])}: {each['msg']}, not {shown(each['input'])}"
                for each in error.errors()[:3]
            )
            if isinstance(error, ValidationError)
            else "it is nested too deeply"
        )
        raise ValueError(
            f"{where} is not a state_dict() of upsize's ProgressiveResize: {problem}; "
            "load what that returned, or another checkpoint"
        ) from error


def _place(keys: tuple[str | int, ...]) -> str:
    """Return where in a state a value is; a key may be of any length."""
    text = ".".join(map(str, keys)) or "state"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
