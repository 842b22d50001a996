"""What the callback requires of a module."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from upsize.lightning._privates import training_loaders, validation_interval
from upsize.run._refusals import nothing_to_merge
from upsize.schedule import Plan

__all__ = [
    "check_grown_fit",
    "check_merge",
    "check_saved_plan",
    "check_training_step",
]


def check_training_step(module: Any) -> None:
    """Refuse a module that draws its batches itself.

    Args:
        module: The ``LightningModule``.

    Raises:
        ValueError: When it does, with what to do instead.
    """
    if "dataloader_iter" in inspect.signature(module.training_step).parameters:
        raise ValueError(
            "training_step(dataloader_iter) draws its batches itself, so "
            "ProgressiveResize never sees them: let training_step take "
            "(batch, batch_idx), or resize in it with upsize.loop.ProgressiveResize"
        )


def check_merge(trainer: Any, module: Any, merge: Any) -> None:
    """Refuse to merge micro-batches where Lightning does not accumulate them.

    Args:
        trainer: The trainer.
        module: The ``LightningModule``.
        merge: What the user gave.

    Raises:
        ValueError: Says why, and what to do instead.
    """
    if not module.automatic_optimization:
        raise ValueError(
            "merge= needs automatic optimization: with manual optimization, training_step "
            "itself accumulates gradients and steps, and Lightning does not know when; "
            "leave out merge=, or set automatic_optimization = True"
        )
    if trainer.strategy.handles_gradient_accumulation:
        raise ValueError(
            f"merge= does not work with {type(trainer.strategy).__name__}, which "
            "accumulates gradients itself and must see every micro-batch: leave out "
            "merge=, or use another strategy, such as ddp or fsdp"
        )
    varies = any(hasattr(cb, "get_accumulate_grad_batches") for cb in trainer.callbacks)
    if trainer.accumulate_grad_batches == 1 and not varies:
        raise nothing_to_merge(
            merge, "each batch is one", "give Trainer(accumulate_grad_batches=...)"
        )


def check_grown_fit(trainer: Any, module: Any, resize: object) -> None:
    """Refuse a fit whose batches cannot grow.

    Args:
        trainer: The trainer, whose loaders are set up.
        module: The ``LightningModule``.
        resize: The callback.

    Raises:
        ValueError: Says why, and what to do instead.
    """
    for reason in _against_growing(trainer, module, resize):
        raise ValueError(f"batch_size=Grow(...) {reason}, or leave out batch_size=")


def check_saved_plan(trainer: Any, saved: Plan | None) -> None:
    """Refuse to continue a training whose batches are not known, by ones that grow.

    Args:
        trainer: The trainer, at the step where training continues.
        saved: The plan of the training so far.

    Raises:
        ValueError: When some steps are done, without a plan.
    """
    if saved is None and trainer.global_step:
        raise ValueError(
            "batch_size=Grow(...) finds its place in an epoch by the plan of the steps "
            f"that are done, and the {trainer.global_step} steps of this training have "
            "none: resume a run with ProgressiveResize, or leave out batch_size="
        )


def _against_growing(trainer: Any, module: Any, resize: object) -> Iterator[str]:
    """Yield why batches cannot grow, and what to do."""
    loaders, callbacks = training_loaders(trainer), trainer.callbacks
    kinds = {each.__name__ for cb in callbacks for each in type(cb).__mro__}
    if len(loaders) != 1 or getattr(loaders[0], "resize", None) is not resize:
        yield (
            "needs one training loader, which draws the batches: give the trainer "
            "upsize.lightning.sized(loader, resize)"
        )
    if not module.automatic_optimization:
        yield (
            "needs automatic optimization, where each batch is one optimizer step: set "
            "automatic_optimization = True"
        )
    varies = any(hasattr(cb, "get_accumulate_grad_batches") for cb in callbacks)
    if trainer.accumulate_grad_batches != 1 or varies:
        yield (
            "and accumulate_grad_batches both make batches of small images larger: give "
            "merge=True in the place of Grow(...), which changes no optimizer step"
        )
    is_trial = bool(trainer.fast_dev_run)
    if not is_trial and (trainer.max_epochs in (None, -1) or trainer.max_steps != -1):
        yield (
            "makes the number of steps follow from that of epochs: give the Trainer "
            "max_epochs= alone, without max_steps="
        )
    limits = trainer.limit_train_batches, trainer.overfit_batches
    if limits != (1.0, 0.0) and not is_trial:
        yield (
            "counts samples, and limit_train_batches and overfit_batches count batches, "
            "which differ: give the loader a torch.utils.data.Subset"
        )
    if trainer.reload_dataloaders_every_n_epochs:
        yield (
            "plans the samples of each epoch, and reload_dataloaders_every_n_epochs may "
            "change them: give the trainer one loader for all epochs"
        )
    every = validation_interval(trainer)
    if isinstance(every, int) and trainer.check_val_every_n_epoch is not None:
        yield (
            f"makes epochs of different lengths, and val_check_interval={every} counts "
            "batches of one: give a share of an epoch (0.5), or "
            "check_val_every_n_epoch=None"
        )
    for name in ("BatchSizeFinder", "StochasticWeightAveraging"):
        if name in kinds:
            yield (
                f"plans the batches of each epoch, and {name} changes them: leave out "
                "that callback"
            )
