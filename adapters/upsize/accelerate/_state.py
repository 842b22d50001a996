"""The state of upsize in the folder of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from upsize.schedule._warn import warn

__all__ = ["read_state", "write_state"]

_FILE = "upsize.json"


def write_state(
    accelerator: Any, folder: str, state_dict: Callable[[], dict[str, Any]]
) -> None:
    """Write a state, in the processes that write the accelerator's own files.

    Args:
        accelerator: The accelerator.
        folder: The folder of the checkpoint.
        state_dict: Returns the state.
    """
    # As Accelerate decides about its own files.
    each_node = accelerator.project_configuration.save_on_each_node
    writes = (
        accelerator.is_local_main_process if each_node else accelerator.is_main_process
    )
    # Not the other processes: test_two_processes.py sees both sides.
    if writes:  # pragma: no branch
        Path(folder, _FILE).write_text(json.dumps(state_dict()), "utf-8")


def read_state(
    folder: str, load_state_dict: Callable[[dict[str, Any]], None], otherwise: str
) -> None:
    """Load a state, if there is one.

    Args:
        folder: The folder of the checkpoint.
        load_state_dict: Called with the state.
        otherwise: What happens without one, for the warning.

    Raises:
        ValueError: When the state is broken, or that of something else; names the file.

    Warns:
        UserWarning: When the folder has none.
    """
    path = Path(folder, _FILE)
    if not path.exists():
        warn(
            f"{folder} holds no state of upsize; perhaps it was saved without it. "
            f"{otherwise}"
        )
        return
    try:
        load_state_dict(json.loads(path.read_text("utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error
