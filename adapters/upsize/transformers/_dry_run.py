"""The dry run of a Trainer."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any

from torch import nn

from upsize.run import TrainingRun
from upsize.run._dry_run import restoring_model
from upsize.run._refusals import trying_full_size

__all__ = ["dry_run"]


def dry_run(
    trainer: Any, run: TrainingRun, batch: Any, num_items_in_batch: Any = None
) -> None:
    """Compute the loss of a batch at full size, as training does.

    Args:
        trainer: The trainer.
        run: Its run.
        batch: The batch.
        num_items_in_batch: What ``compute_loss`` gets with it.
    """
    loss = trainer.compute_loss_func

    def forward(model: nn.Module, full: Any) -> Any:
        model.train()
        # A copy: the Trainer removes the labels.
        inputs = copy.copy(full)
        with trainer.compute_loss_context_manager():
            return trainer.compute_loss(
                model, inputs, num_items_in_batch=num_items_in_batch
            )

    with (
        trying_full_size("compute_loss with the first batch"),
        restoring_model(loss) if isinstance(loss, nn.Module) else nullcontext(),
    ):
        run.preallocate(trainer.model, batch, forward=forward)
