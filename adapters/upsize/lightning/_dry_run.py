"""The dry run of a trainer."""

from __future__ import annotations

from typing import Any

from upsize.run import TrainingRun
from upsize.run._refusals import trying_full_size

__all__ = ["dry_run"]


def dry_run(trainer: Any, run: TrainingRun, batch: Any) -> None:
    """Run a batch at full size, in the precision of the trainer.

    Args:
        trainer: The trainer.
        run: Its run.
        batch: The batch.
    """
    calls = "the LightningModule with the first image of the batch"
    with trying_full_size(calls), trainer.precision_plugin.forward_context():
        run.preallocate(trainer.lightning_module, batch)
