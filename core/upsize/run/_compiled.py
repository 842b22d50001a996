"""Compiled models: each new size costs time, up to a limit of sizes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from upsize.schedule import Plan
from upsize.schedule._warn import warn

__all__ = ["is_compiled", "warn_of_recompiles"]


def is_compiled(model: nn.Module) -> bool:
    """Whether the model or a part of it is compiled by torch.compile."""
    return any(
        hasattr(module, "_orig_mod")
        or module._compiled_call_impl is not None
        # Lightning unwraps a compiled LightningModule, and keeps this attribute.
        or getattr(module, "_compiler_ctx", None) is not None
        for module in model.modules()
    )


def warn_of_recompiles(models: Iterable[nn.Module], plan: Plan) -> None:
    """Warn when a plan has more sizes than a compiled model is compiled for.

    Args:
        models: The models of the run.
        plan: The plan of the run.

    Warns:
        UserWarning: With both numbers and the cure.
    """
    if not any(map(is_compiled, models)):
        return
    limit = torch._dynamo.config.recompile_limit
    if len(plan.sizes) > limit:
        warn(
            f"the model is compiled and the plan has {len(plan.sizes)} sizes, more "
            f"than the {limit} of torch._dynamo.config.recompile_limit: beyond the "
            f"limit the model runs uncompiled; give a Ramp max_sizes={limit} and other "
            "schedules fewer sizes, or raise the limit"
        )
