"""What the callback requires of a module."""

from __future__ import annotations

import inspect
from typing import Any

from upsize.schedule._shown import shown

__all__ = ["check_batch_size", "check_merge", "check_training_step"]


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


def check_merge(trainer: Any, module: Any) -> None:
    """Refuse to merge micro-batches where Lightning does not accumulate them.

    Args:
        trainer: The trainer.
        module: The ``LightningModule``.

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
        raise ValueError(
            "merge= merges the micro-batches of an accumulation window, and "
            "accumulate_grad_batches is 1: give Trainer(accumulate_grad_batches=...), or "
            "leave out merge="
        )


def check_batch_size(batch_size: object) -> None:
    """Refuse a batch that grows.

    Args:
        batch_size: What the user gave.

    Raises:
        ValueError: When it is not ``None``, with what to do instead.
    """
    if batch_size is not None:
        raise ValueError(
            f"batch_size={shown(batch_size)} does not work with Lightning, which counts "
            "the batches of an epoch before training, for estimated_stepping_batches, "
            "validation and the progress bar: leave it out; merge=True with "
            "accumulate_grad_batches trains on more small images at once, and also with "
            "fewer of them in a step where a GradientAccumulationScheduler says so; or "
            "use upsize.loop, whose batches may grow"
        )
