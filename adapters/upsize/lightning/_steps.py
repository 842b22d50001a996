"""Which of Lightning's counters holds the step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, repeat
from typing import Any, Literal, TypeAlias

__all__ = ["LightningCounter", "Unit"]

Unit: TypeAlias = Literal["optimizer steps", "batches", "epochs"]


class LightningCounter:
    """Reads one of the trainer's counters, which Lightning saves and restores.

    Args:
        trainer: The trainer.
        unit: What is counted.
        total_steps: Length of the run.
        steps_per_epoch: Steps in an epoch; ``None``: epochs differ.
        max_steps: Optimizer steps that may end a run that counts batches.
        by_steps: Whether training ends after a number of steps, not of epochs.
    """

    def __init__(
        self,
        trainer: Any,
        unit: Unit,
        total_steps: int,
        steps_per_epoch: int | None,
        max_steps: int | None = None,
        *,
        by_steps: bool = False,
    ) -> None:
        self._trainer, self.unit, self.by_steps = trainer, unit, by_steps
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self._max_steps = max_steps

    def step(self) -> int:
        """Return how many steps are done."""
        trainer = self._trainer
        if self.unit == "epochs":
            return int(trainer.current_epoch)
        if self.unit == "optimizer steps":
            return int(trainer.global_step)
        # Not total_batch_idx, which is one ahead after an exception.
        done = int(trainer.fit_loop.epoch_loop.batch_progress.total.completed)
        if self._max_steps is None:
            return done
        by_steps = int(trainer.global_step) * self.total_steps // self._max_steps
        return max(done, by_steps)

    def ahead(self, batches: int | None = None) -> Iterator[int]:  # noqa: ARG002
        """Yield the step of each batch to come, without end."""
        trainer, step = self._trainer, self.step()
        if self.unit == "epochs":
            yield from repeat(step)
        if self.unit == "batches":
            yield from count(step)
        batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        # Lightning steps on the last batch of an epoch, unless the strategy counts
        # accumulation windows.
        last = trainer.num_training_batches
        if trainer.strategy.handles_gradient_accumulation:
            last = None
        while True:
            yield step
            batch += 1
            step += batch % trainer.accumulate_grad_batches == 0 or batch == last
