"""Which of Lightning's counters holds the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, repeat
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from upsize.lightning._privates import batch_in_epoch, epochs_done
from upsize.run._epoch_steps import EpochSteps

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
        starts: The first step of each epoch, where epochs differ.
        samples: What else :meth:`Schedule.plan` is to know of the length of the run.
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
        starts: Sequence[int] = (),
        samples: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._trainer, self.unit, self.by_steps = trainer, unit, by_steps
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self._max_steps = max_steps
        self._starts, self.length = starts, dict(samples)

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

    @property
    def epoch_steps(self) -> Callable[[], EpochSteps] | None:
        """Returns the steps of the current epoch; ``None``: a run is not of epochs."""
        if self.by_steps or not (self.steps_per_epoch or self._starts):
            return None
        return self._epoch_steps

    def next_epoch(self) -> int | None:
        """Return the first step of the next epoch, at the end of one that is trained on.

        ``None``: the run is not of epochs, or finds the step by itself.
        """
        # A strategy that counts accumulation windows lets them reach into the next epoch.
        counts_windows = self._trainer.strategy.handles_gradient_accumulation
        if self.unit == "epochs" or self.epoch_steps is None or counts_windows:
            return None
        return self._start_of(epochs_done(self._trainer))

    def _epoch_steps(self) -> EpochSteps:
        epoch = epochs_done(self._trainer)
        first = self._start_of(epoch)
        stop = max(self._start_of(epoch + 1), first + 1)  # also after the last one
        return EpochSteps(first, stop, batch_in_epoch(self._trainer) == 0)

    def _start_of(self, epoch: int) -> int:
        """Return the first step of an epoch."""
        if self.steps_per_epoch is not None:
            return epoch * self.steps_per_epoch
        return self._starts[epoch] if epoch < len(self._starts) else self.total_steps

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
