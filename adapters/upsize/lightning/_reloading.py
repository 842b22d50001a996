"""The steps of epochs whose loaders are made again, with other lengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from upsize.lightning._steps import LightningCounter

__all__ = ["ReloadingCounter"]


class ReloadingCounter(LightningCounter):
    """Counts the steps of epochs that loaders of other lengths make longer or shorter.

    Each epoch counts as many steps as the plan has for it, spread over its batches, so
    that a moment in epochs is at that epoch.

    Args:
        trainer: The trainer.
        unit: What is counted.
        total_steps: Length of the run.
        steps_per_epoch: Steps that an epoch counts.
        max_steps: As in :class:`LightningCounter`.
        by_steps: As in :class:`LightningCounter`.
        counts_epochs: Whether the schedule has moments in epochs. If it has none, and
            training ends after a number of steps, each step counts as it is.
    """

    steps_per_epoch: int

    def __init__(
        self,
        *args: Any,
        counts_epochs: Callable[[], bool],
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self._counts_epochs = counts_epochs

    def step(self) -> int:
        """Return how many steps are done."""
        if not self._is_spread:
            return super().step()
        progress = self._trainer.fit_loop.epoch_loop.batch_progress.current
        epoch, batch = int(self._trainer.current_epoch), int(progress.completed)
        # Between epochs the last one is still there.
        if batch >= self._trainer.num_training_batches:
            epochs = self._trainer.fit_loop.epoch_progress.current
            return int(epochs.ready) * self.steps_per_epoch
        return self._at(epoch, batch)

    def next_epoch(self) -> None:
        """Return ``None``: each step is found by its epoch."""

    def ahead(self, batches: int | None = None) -> Iterator[int]:
        """Yield the step of each batch to come, without end."""
        if not self._is_spread:
            yield from super().ahead(batches)
        trainer = self._trainer
        batch = int(trainer.fit_loop.epoch_loop.batch_progress.current.ready)
        epoch = int(trainer.current_epoch)
        while True:
            yield self._at(epoch, batch)
            batch += 1
            if batch >= trainer.num_training_batches:
                epoch, batch = epoch + 1, 0

    @cached_property
    def _is_spread(self) -> bool:
        return not self.by_steps or self._counts_epochs()

    def _at(self, epoch: int, batch: int) -> int:
        """Return the step of a batch of an epoch."""
        trainer, most = self._trainer, self.steps_per_epoch
        window = trainer.accumulate_grad_batches if self.unit != "batches" else 1
        done, length = batch // window, trainer.num_training_batches
        if math.isinf(length):
            return epoch * most + min(done, most - 1)
        return epoch * most + done * most // -(-int(length) // window)
