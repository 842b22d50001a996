"""Lightning's own hints, which say nothing about us: each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.hints import ignore

_HINTS = [
    # Tests load a few tensors in the main process, and log every step.
    "ignore:The '.*_dataloader' does not have many workers",
    "ignore:The number of training batches .* is smaller than the logging interval",
    # Modules without validation, optimizers or loggers are what some tests are about.
    "ignore:.*skipping val loop",
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
    "ignore:`training_step` returned `None`",
    "ignore:Starting from v1.9.0, `tensorboardX` has been removed",
    # Lightning on the newest torch: its own deprecations.
    "ignore::DeprecationWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:pytorch_lightning",
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:.*treespec.*:FutureWarning",
    # Checkpoints of tests go where others of the same test went.
    "ignore:Checkpoint directory .* exists and is not empty",
    "ignore:You're resuming from a checkpoint that ended before the epoch ended",
    "ignore:`.fit.ckpt_path=None.` was called without a model",
    # OnExceptionCheckpoint asks for a last checkpoint, and there is none at first.
    "ignore:.fit.ckpt_path=.last.. is set",
    "ignore:.*Be aware that when using `ckpt_path`",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ignore(_HINTS, items, Path(__file__).parent)
