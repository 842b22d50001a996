"""The dry run of a learner."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from fastai.basics import get_model
from torch import Tensor

from upsize.resize._containers import leaves, replace
from upsize.run import _dry_run
from upsize.run._refusals import trying_full_size
from upsize.schedule import Size

__all__ = ["dry_run", "repeat"]


def dry_run(learner: Any, inputs: Any, size: Size) -> None:
    """Run inputs forward and backward, in the precision of the learner.

    Args:
        learner: The learner.
        inputs: The inputs, at their size.
        size: That size, for the error.
    """
    model = get_model(learner.model)
    amp = getattr(learner, "mixed_precision", None)
    autocast = nullcontext() if amp is None else amp.autocast
    with trying_full_size("the model with the inputs of the first batch"), autocast:
        _dry_run.dry_run(model, lambda: model(*inputs), size)


def repeat(inputs: Any, rows: int | None) -> Any:
    """Return inputs with ``rows`` rows, by repeating the existing ones."""
    if rows is None:
        return inputs
    chosen = {
        path: x[torch.arange(rows, device=x.device) % len(x)]
        for path, x in leaves(inputs)
        if isinstance(x, Tensor) and x.ndim
    }
    return replace(inputs, chosen)
