"""How long a Lightning run is, and which of its counters holds the step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count, repeat
from typing import Any, Literal, TypeAlias

from upsize.schedule._warn import warn

__all__ = ["LightningCounter", "Unit", "counter_of"]

Unit: TypeAlias = Literal["optimizer steps", "batches", "epochs"]


class LightningCounter:
    """Reads one of the trainer's counters, which Lightning saves and restores.

    Args:
        trainer: The trainer.
        unit: What is counted.
        total_steps: Length of the run.
        steps_per_epoch: Steps in an epoch; ``None``: epochs differ.
        max_steps: Optimizer steps that may end a run that counts batches.
    """

    def __init__(
        self,
        trainer: Any,
        unit: Unit,
        total_steps: int,
        steps_per_epoch: int | None,
        max_steps: int | None = None,
    ) -> None:
        self._trainer, self.unit = trainer, unit
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


def counter_of(
    trainer: Any, pl_module: Any, total_steps: int | None
) -> LightningCounter:
    """Return the counter of a run that is about to start.

    It counts optimizer steps. With manual optimization it counts batches, because
    ``global_step`` adds up the steps of all optimizers. It counts epochs if nothing
    else is known.

    Args:
        trainer: The trainer, with its data loaders set up.
        pl_module: The module.
        total_steps: The length that the user gave, or ``None``.

    Raises:
        ValueError: When training has no end.

    Warns:
        UserWarning: When it counts epochs.
    """
    manual = not pl_module.automatic_optimization
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    per_epoch, in_all = None, math.inf
    if not math.isinf(batches):
        bounded = epochs not in (None, -1)
        lengths = _epoch_lengths(trainer, batches) if bounded else []
        in_all = sum(lengths) or in_all
        # A schedule can only count in epochs of one length.
        window = 1 if manual else trainer.accumulate_grad_batches
        per_epoch = -(-batches // window) if len(set(lengths)) < 2 else None
    if total_steps is not None:
        unit: Unit = "batches" if manual else "optimizer steps"
        return LightningCounter(trainer, unit, total_steps, per_epoch)
    estimate = trainer.estimated_stepping_batches
    if manual and not math.isinf(in_all):
        most = trainer.max_steps if trainer.max_steps > 0 else None
        return LightningCounter(trainer, "batches", int(in_all), per_epoch, most)
    if estimate == math.inf:
        raise ValueError(
            "training has no end (max_epochs=-1 without max_steps): give "
            "ProgressiveResize total_steps=, the optimizer steps of the whole schedule"
        )
    if estimate > 0:
        steps = int(min(estimate, in_all))
        return LightningCounter(
            trainer, "optimizer steps", steps, None if manual else per_epoch
        )
    warn(
        "the training data has no length: the schedule counts epochs instead of steps, "
        "and the size only changes between epochs; to count steps, give "
        "ProgressiveResize total_steps=, the optimizer steps of the whole run"
    )
    return LightningCounter(trainer, "epochs", int(epochs), 1)


def _epoch_lengths(trainer: Any, batches: int) -> list[int]:
    """Return the optimizer steps of each epoch that has any.

    The trainer's own estimate uses the first accumulation factor for all epochs, and
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
