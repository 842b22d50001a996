"""What the callback requires of a module."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["check_training_step"]


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
