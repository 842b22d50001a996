"""Let the Trainer log the size together with a loss."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

__all__ = ["LogChanges"]


class LogChanges(TrainerCallback):
    """Asks the Trainer for a log after the first step of each size.

    It logs the loss there, so that callbacks which read ``logs["loss"]`` find one in
    every log of training. With ``logging_strategy="no"`` nothing is asked for.
    """

    def __init__(self) -> None:
        self._is_due = False

    def changed(self, *_: Any) -> None:
        """Note that the current step is the first of its size."""
        self._is_due = True

    def on_step_end(
        self,
        args: Any,
        state: Any,  # noqa: ARG002
        control: Any,
        **_: Any,
    ) -> None:
        """Ask for a log if the size has changed."""
        if self._is_due and args.logging_strategy != "no":
            control.should_log = True
        self._is_due = False
