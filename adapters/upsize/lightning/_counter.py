"""How long a Lightning run is, and which counter it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any, cast

from upsize.lightning._privates import training_loaders
from upsize.lightning._reloading import ReloadingCounter
from upsize.lightning._steps import LightningCounter, Unit
from upsize.run._epoch_samples import epoch_samples, plan_samples
from upsize.schedule import Plan
from upsize.schedule._warn import warn

__all__ = ["counter_of"]


def counter_of(
    trainer: Any,
    pl_module: Any,
    total_steps: int | None,
    saved: Plan | None = None,
    counts_epochs: Callable[[], bool] = lambda: True,
) -> LightningCounter:
    """Return the counter of a run that is about to start.

    It counts optimizer steps. With manual optimization it counts batches, because
    ``global_step`` adds up the steps of all optimizers. It counts epochs if nothing
    else is known.

    Args:
        trainer: The trainer, with its data loaders set up.
        pl_module: The module.
        total_steps: The length that the user gave, or ``None``.
        saved: The plan of the run that this one resumes.
        counts_epochs: Whether the schedule has moments in epochs; called for a step.

    Raises:
        ValueError: When training has no end.

    Warns:
        UserWarning: When it counts epochs.
    """
    manual = not pl_module.automatic_optimization
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    per_epoch: int | None = None
    in_all, lengths = math.inf, []
    bounded = epochs not in (None, -1)
    if not math.isinf(batches):
        lengths = _epoch_lengths(trainer, batches) if bounded else []
        in_all = sum(lengths) or in_all
        # A schedule can only count in epochs of one length.
        window = 1 if manual else trainer.accumulate_grad_batches
        per_epoch = -(-batches // window) if len(set(lengths)) < 2 else None
    most = trainer.max_steps if trainer.max_steps > 0 else None
    reloads = bool(trainer.reload_dataloaders_every_n_epochs) and per_epoch is not None
    if reloads and saved is not None and saved.steps_per_epoch is not None:
        # The loader after a resume may have another length than the first of the run.
        per_epoch = saved.steps_per_epoch
        in_all = len(lengths) * per_epoch if bounded else in_all
    by_steps = not bounded or (most is not None and most < in_all)
    make: Any = LightningCounter
    if reloads:
        make = partial(ReloadingCounter, counts_epochs=counts_epochs)
    make = partial(
        make,
        by_steps=by_steps,
        starts=list(accumulate(lengths, initial=0)) if lengths else (),
        samples={} if reloads else _samples(trainer, per_epoch, manual=manual),
    )
    if total_steps is not None:
        unit: Unit = "batches" if manual else "optimizer steps"
        return cast(LightningCounter, make(trainer, unit, total_steps, per_epoch))
    estimate = trainer.estimated_stepping_batches
    if manual and not math.isinf(in_all):
        made = make(trainer, "batches", int(in_all), per_epoch, most)
        return cast(LightningCounter, made)
    if estimate == math.inf:
        raise ValueError(
            "training has no end (max_epochs=-1 without max_steps): give "
            "ProgressiveResize total_steps=, the optimizer steps of the whole schedule"
        )
    if manual and estimate > 0:
        return LightningCounter(
            trainer, "optimizer steps", int(estimate), None, by_steps=by_steps
        )
    if estimate > 0:
        steps = min(estimate, in_all)
        if reloads:  # the estimate is by the length of this loader
            steps = min(most or math.inf, in_all)
        made = make(trainer, "optimizer steps", int(steps), per_epoch)
        return cast(LightningCounter, made)
    warn(
        "the training data has no length: the schedule counts epochs instead of steps, "
        "and the size only changes between epochs; to count steps, give "
        "ProgressiveResize total_steps=, the optimizer steps of the whole run"
    )
    return LightningCounter(trainer, "epochs", int(trainer.max_epochs), 1)


def _samples(trainer: Any, per_epoch: int | None, *, manual: bool) -> dict[str, int]:
    """Return what the plan is to know of the samples of an epoch.

    Args:
        trainer: The trainer.
        per_epoch: Steps in an epoch; ``None``: not known, or not always the same.
        manual: Whether each batch is a step.
    """
    loaders = training_loaders(trainer)
    if per_epoch is None or len(loaders) > 1:
        return {}
    samples, batch = epoch_samples(
        loaders[0], trainer.num_training_batches, trainer.world_size
    )
    every = 1 if manual else int(trainer.accumulate_grad_batches)
    return plan_samples(samples, batch, steps=per_epoch, accumulate=every)


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
