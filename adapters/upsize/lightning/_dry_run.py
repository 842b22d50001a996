"""The dry run of a trainer."""

from __future__ import annotations

from typing import Any

from upsize.run import TrainingRun

__all__ = ["dry_run"]


def dry_run(trainer: Any, run: TrainingRun, batch: Any) -> None:
    """Run a batch at full size, in the precision of the trainer.

    Args:
        trainer: The trainer.
        run: Its run.
        batch: The batch.
    """
    try:
        with trainer.precision_plugin.forward_context():
            run.preallocate(trainer.lightning_module, batch)
    except Exception as error:
        error.add_note(
            "upsize: in the dry run of preallocate=True, which calls the "
            "LightningModule with the first image of the batch"
        )
        raise
