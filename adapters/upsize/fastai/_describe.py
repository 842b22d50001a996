"""What a fit says of its first batch."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from upsize.fastai._targets import TargetResizer
from upsize.resize._containers import leaves, replace
from upsize.run import TrainingRun
from upsize.schedule import Plan, Size

__all__ = ["describe_batch", "frozen_summary"]


def frozen_summary(plan: Plan) -> str:
    """Return what is said of the frozen part of ``fine_tune``, which has one size."""
    first = plan.stages[0].size
    size = list(first) if isinstance(first, Size) else first
    return f"Training the frozen model at the initial image size of {size}."


def describe_batch(
    run: TrainingRun, targets: TargetResizer, batch: tuple[Any, Any], images: Size
) -> None:
    """Say what of a batch is resized, where fastai's types do not tell.

    Args:
        run: The run.
        targets: How targets are resized.
        batch: Inputs and targets.
        images: Size of the images.
    """
    batch = replace(batch, run.reader.lost_types(batch, images))
    doubtful = [x for _, x in leaves(batch) if isinstance(x, Tensor) and x.ndim > 2]
    if len(doubtful) > 1:
        both = {"xb": batch[0], "yb": batch[1]}
        resizer = targets.named("yb", batch[1], images)
        run.reports.describe(resizer.read(both, full=images))
