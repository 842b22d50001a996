"""Compiled models pay for each new size, up to a limit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from torch import nn

from upsize.schedule import Plan

__all__ = ["is_compiled", "warn_of_recompiles"]


def is_compiled(model: nn.Module) -> bool:
    """Whether torch.compile has seen the model or a part of it."""
    return any(
        hasattr(module, "_orig_mod")
        or module._compiled_call_impl is not None
        # Lightning unwraps a compiled LightningModule, and keeps this.
        or getattr(module, "_compiler_ctx", None) is not None
        for module in model.modules()
    )


def warn_of_recompiles(
    models: Iterable[nn.Module], plan: Plan, *, stacklevel: int = 2
) -> None:
    """Warn when a compiled model would meet more sizes than it may be compiled for.

    Args:
        models: The models of the run.
        plan: Its plan.
        stacklevel: Where the warning points to; 2 is the caller.

    Warns:
        UserWarning: Naming both numbers and the cure.
    """
    if not any(map(is_compiled, models)):
        return
    limit = torch._dynamo.config.recompile_limit
    if len(plan.sizes) > limit:
        warnings.warn(
            f"the model is compiled and the plan has {len(plan.sizes)} sizes, more than "
            f"the {limit} of torch._dynamo.config.recompile_limit: beyond it the model "
            f"runs uncompiled; give a Ramp max_sizes={limit} and other schedules fewer "
            "sizes, or raise the limit",
            UserWarning,
            stacklevel=stacklevel,
        )
