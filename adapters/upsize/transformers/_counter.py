"""The steps of a transformers Trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transformers.trainer_utils import has_length

from upsize.run import Position
from upsize.run._position import Ahead, advance, left_in_window

__all__ = ["TrainerCounter"]


class TrainerCounter:
    """Reads the optimizer steps from the trainer's state.

    An epoch that is shorter than the first one counts as many steps, so that a moment
    in epochs is at that epoch. The Trainer ends a longer one itself.

    Args:
        trainer: The trainer, about to draw the first batch.
    """

    unit = "optimizer steps"

    def __init__(self, trainer: Any) -> None:
        loader, self.state = trainer.callback_handler.train_dataloader, trainer.state
        self.accumulate: int = trainer.args.gradient_accumulation_steps
        self._batches = len(loader) if has_length(loader) else None
        self.total_steps: int = self.state.max_steps
        self.steps_per_epoch: int | None = (
            None if self._batches is None else -(-self._batches // self.accumulate)
        )
        # Steps that shorter epochs lacked.
        self._lacking = 0
        # An epoch that is not resumed in its middle begins there.
        self._first = self.step() if trainer.args.ignore_data_skip else 0
        # A resumed epoch draws its batches from the first one.
        self._skips, self._is_begun = not trainer.args.ignore_data_skip, False

    def step(self) -> int:
        """Return the optimizer steps that are done."""
        return int(self.state.global_step) + self._lacking

    def begin_epoch(self) -> None:
        """Note that the next batch is the first one of another epoch."""
        self._lacking += self._rest(self.step())

    def _rest(self, step: int) -> int:
        """Return how many steps an epoch lacks that has ended after a step."""
        if self.steps_per_epoch is None:
            return 0
        return (self._first - step) % self.steps_per_epoch

    def ahead(self, batches: int | None) -> Iterator[int]:
        """Yield the step of each batch of the next epoch, without end."""
        return (each.step for each in self.windows_ahead(batches))

    def windows_ahead(self, batches: int | None) -> Iterator[Ahead]:  # noqa: ARG002
        """Yield step and accumulation window of the same batches."""
        step = first = self.step()
        if self._is_begun:
            step += self._rest(step)
        elif self._skips:
            # Without a length, all steps are in the Trainer's first epoch.
            step -= step % (self.steps_per_epoch or self.total_steps)
        self._is_begun = True
        position = Position(step)
        while True:
            left = left_in_window(position, self.accumulate, self._batches)
            # A resumed epoch draws what it skips.
            yield Ahead(position.step, 0 if position.step < first else left)
            position = advance(position, self.accumulate, self._batches)
