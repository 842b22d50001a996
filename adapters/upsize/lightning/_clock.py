"""How long a Lightning run is, and which of its counters tells the step."""

from __future__ import annotations

import math
import warnings
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Clock", "clock_of"]


class Counter(Enum):
    """A counter of the trainer that survives a resume."""

    STEPS = "optimizer steps"
    BATCHES = "batches"
    EPOCHS = "epochs"


class Clock(NamedTuple):
    """The length of a run in units of a counter."""

    counter: Counter
    total_steps: int
    steps_per_epoch: int | None

    def step(self, trainer: Any) -> int:
        """Return how far the run is."""
        if self.counter is Counter.EPOCHS:
            return int(trainer.current_epoch)
        if self.counter is Counter.BATCHES:
            # Not total_batch_idx: after an exception that is one ahead.
            progress = trainer.fit_loop.epoch_loop.batch_progress
            done = int(progress.total.completed)
            if trainer.max_steps > 0:  # which may end the run before its epochs do
                share = trainer.global_step * self.total_steps // trainer.max_steps
                return max(done, int(share))
            return done
        return int(trainer.global_step)


def _epoch_length(trainer: Any, window: int) -> int | None:
    batches = trainer.num_training_batches
    return None if math.isinf(batches) else -(-int(batches) // window)


def _scheduled_steps(trainer: Any) -> int | None:
    """Return the steps of a run whose windows GradientAccumulationScheduler changes.

    The trainer's own estimate takes the first window for all of the run.
    """
    for callback in trainer.callbacks:
        window_of = getattr(callback, "get_accumulate_grad_batches", None)
        lengths = (trainer.num_training_batches, trainer.max_epochs)
        if window_of is not None and math.inf not in lengths and lengths[1] > 0:
            epochs = range(trainer.max_epochs)
            batches = int(trainer.num_training_batches)
            steps = [-(-batches // window_of(epoch)) for epoch in epochs]
            most = trainer.max_steps if trainer.max_steps > 0 else math.inf
            return int(min(sum(steps), most))
    return None


def clock_of(trainer: Any, pl_module: Any, total_steps: int | None) -> Clock:
    """Return the clock of a run that is about to start.

    Args:
        trainer: The trainer.
        pl_module: The module; with manual optimisation batches are counted, since
            ``global_step`` counts every optimizer's steps.
        total_steps: The length that the user gave.

    Raises:
        ValueError: When training has no end.

    Warns:
        UserWarning: When only the epochs are known.
    """
    if not pl_module.automatic_optimization and total_steps is None:
        batches, epochs = _epoch_length(trainer, 1), trainer.max_epochs
        if batches is not None and epochs not in (None, -1):
            return Clock(Counter.BATCHES, batches * epochs, batches)
    window = trainer.accumulate_grad_batches
    if total_steps is not None:
        return Clock(Counter.STEPS, total_steps, _epoch_length(trainer, window))
    if (total := _scheduled_steps(trainer)) is not None:
        return Clock(Counter.STEPS, total, None)
    estimate = trainer.estimated_stepping_batches
    if math.isinf(estimate):
        raise ValueError(
            "training has no end (max_epochs=-1 and max_steps=-1): give "
            "ProgressiveResize total_steps, the optimizer steps after which full size "
            "should have been reached"
        )
    if estimate >= 0:
        return Clock(Counter.STEPS, int(estimate), _epoch_length(trainer, window))
    warnings.warn(
        "the training data has no length: sizes change only between epochs; give "
        "ProgressiveResize total_steps for finer ones",
        UserWarning,
        stacklevel=3,
    )
    return Clock(Counter.EPOCHS, trainer.max_epochs, 1)
