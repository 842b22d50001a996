"""The state of upsize among those of the callbacks in ``trainer_state.json``."""

from __future__ import annotations

from typing import Any

from upsize.run import TrainingRun
from upsize.run._refusals import keep_plan
from upsize.run._state import State, read_state

__all__ = ["read_from", "write_to"]

_KEY = "upsize.ProgressiveResize"


def write_to(state: Any, run: TrainingRun) -> None:
    """Keep the state of a run where the Trainer writes it to each checkpoint.

    Args:
        state: The ``TrainerState``.
        run: The run.
    """
    state.stateful_callbacks[_KEY] = {"args": {}, "attributes": run.state_dict()}


def read_from(state: Any) -> State | None:
    """Return the state of upsize in a checkpoint; ``None``: there is none.

    Args:
        state: The ``TrainerState``.

    Raises:
        ValueError: When it is not a state of upsize.
    """
    entry = state.stateful_callbacks.get(_KEY)
    if entry is None:
        return None
    saved = entry.get("attributes") if isinstance(entry, dict) else None
    with keep_plan("that entry"):
        return read_state(
            State, saved, f'stateful_callbacks["{_KEY}"] in trainer_state.json'
        )
