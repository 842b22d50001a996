"""The steps of a transformers Trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transformers.trainer_utils import has_length

from upsize.run import Position
from upsize.run._counter import advance

__all__ = ["TrainerCounter"]


class TrainerCounter:
    """Reads the optimizer steps from the trainer's state.

    Args:
        trainer: The trainer, about to draw the first batch.
    """

    unit = "optimizer steps"

    def __init__(self, trainer: Any) -> None:
        loader, self.state = trainer.callback_handler.train_dataloader, trainer.state
        self._accumulate: int = trainer.args.gradient_accumulation_steps
        self._batches = len(loader) if has_length(loader) else None
        self.total_steps: int = self.state.max_steps
        self.steps_per_epoch = (
            None if self._batches is None else -(-self._batches // self._accumulate)
        )
        # A resumed epoch draws its batches from the first one.
        self._skips = not trainer.args.ignore_data_skip

    def step(self) -> int:
        """Return the optimizer steps that are done."""
        return int(self.state.global_step)

    def ahead(self, batches: int | None) -> Iterator[int]:  # noqa: ARG002
        """Yield the step of each batch of the next epoch, without end."""
        step = self.step()
        if self._skips and self.steps_per_epoch is not None:
            step -= step % self.steps_per_epoch
        self._skips = False
        position = Position(step)
        while True:
            yield position.step
            position = advance(position, self._accumulate, self._batches)
