"""How long a Lightning run is, and which of its counters tells the step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from itertools import count, repeat
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["Clock", "Counts", "clock_of", "steps_ahead"]

Counts: TypeAlias = Literal["optimizer steps", "batches", "epochs"]


class Clock(NamedTuple):
    """The length of a run, and what its steps are."""

    counts: Counts
    total_steps: int
    steps_per_epoch: int | None
    max_steps: int | None = None  # where it may end a run that counts batches

    def step(self, trainer: Any) -> int:
        """Return how many steps are done; Lightning restores each of the counters."""
        if self.counts == "epochs":
            return int(trainer.current_epoch)
        if self.counts == "optimizer steps":
            return int(trainer.global_step)
        # Not total_batch_idx, which is one ahead after an exception.
        done = int(trainer.fit_loop.epoch_loop.batch_progress.total.completed)
        if self.max_steps is None:
            return done
        return max(done, int(trainer.global_step) * self.total_steps // self.max_steps)


def steps_ahead(clock: Clock, trainer: Any) -> Iterator[int]:
    """Yield the step of each batch to come, without end.

    Args:
        clock: The clock of the run.
        trainer: The trainer, about to take the first of these batches.
    """
    step = clock.step(trainer)
    if clock.counts == "epochs":
        yield from repeat(step)
    if clock.counts == "batches":
        yield from count(step)
    batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    # Lightning steps on the last batch of an epoch, unless the strategy counts windows.
    last = trainer.num_training_batches
    if trainer.strategy.handles_gradient_accumulation:
        last = None
    while True:
        yield step
        batch += 1
        step += batch % trainer.accumulate_grad_batches == 0 or batch == last


def _epoch_lengths(trainer: Any, batches: int) -> list[int]:
    """Return the optimizer steps of each epoch that has any.

    The trainer's own estimate takes the first accumulation factor for all of them, and
    counts the epoch in which StochasticWeightAveraging only measures BatchNorm.
    """
    epochs, factor_of = trainer.max_epochs, None
    for callback in trainer.callbacks:
        if hasattr(callback, "swa_end"):
            epochs = min(epochs, callback.swa_end + 1)
        if hasattr(callback, "get_accumulate_grad_batches"):
            factor_of = callback.get_accumulate_grad_batches
    if factor_of is None:
        return [-(-batches // trainer.accumulate_grad_batches)] * epochs
    return [-(-batches // factor_of(epoch)) for epoch in range(epochs)]


def clock_of(trainer: Any, pl_module: Any, total_steps: int | None) -> Clock:
    """Return the clock of a run that is about to start.

    Optimizer steps, where there is one optimizer. With manual optimisation batches:
    ``global_step`` counts the steps of each optimizer. Epochs, where nothing else is
    known.

    Args:
        trainer: The trainer, with its data loaders set up.
        pl_module: The module.
        total_steps: The length that the user gave, or ``None``.

    Raises:
        ValueError: When training has no end.

    Warns:
        UserWarning: When only the epochs are known.
    """
    manual = not pl_module.automatic_optimization
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    per_epoch, in_all = None, math.inf
    if not math.isinf(batches):
        bounded = epochs not in (None, -1)
        lengths = _epoch_lengths(trainer, batches) if bounded else []
        in_all = sum(lengths) or in_all
        # Epochs that differ have no length that a schedule could count in.
        window = 1 if manual else trainer.accumulate_grad_batches
        per_epoch = -(-batches // window) if len(set(lengths)) < 2 else None
    if total_steps is not None:
        return Clock("batches" if manual else "optimizer steps", total_steps, per_epoch)
    estimate = trainer.estimated_stepping_batches
    if manual and not math.isinf(in_all):
        most = trainer.max_steps if trainer.max_steps > 0 else None
        return Clock("batches", int(in_all), per_epoch, most)
    if estimate == math.inf:
        raise ValueError(
            "training has no end (max_epochs=-1 without max_steps): give "
            "ProgressiveResize total_steps=, the optimizer steps that the schedule "
            "shall spread over"
        )
    if estimate > 0:
        steps = int(min(estimate, in_all))
        return Clock("optimizer steps", steps, None if manual else per_epoch)
    warnings.warn(
        "the training data has no length: the schedule counts epochs instead of steps, "
        "and the size changes only between them; give ProgressiveResize total_steps=, "
        "the optimizer steps of the whole run, for steps",
        UserWarning,
        stacklevel=3,
    )
    return Clock("epochs", int(epochs), 1)
