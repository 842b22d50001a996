"""Compiled models: each new size costs time, up to a limit of sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def has_fixed_shapes(model: nn.Module) -> bool:
    """Whether the model or a part of it is compiled with ``dynamic=False``."""
    return any(
        getattr(context, "_dynamic", None) is False  # torch 2.7 to 2.14
        for module in model.modules()
        for context in _contexts(module)
    )


def _contexts(module: nn.Module) -> list[Any]:
    """Return what remembers how a module is compiled."""
    called = getattr(module._compiled_call_impl, "__closure__", None) or ()
    unwrapped = getattr(module, "_compiler_ctx", None) or {}
    return [
        getattr(module, "dynamo_ctx", None),
        unwrapped.get("dynamo_ctx"),
        *(cell.cell_contents for cell in called),
    ]


def warn_of_recompiles(
    models: Iterable[nn.Module], plan: Plan, *, merges: bool = False
) -> None:
    """Warn when a compiled model meets more shapes than it is compiled for.

    Args:
        models: The models of the run.
        plan: The plan of the run.
        merges: Whether batches of small images are merged.

    Warns:
        UserWarning: When the plan has more sizes than the recompile limit; when shapes
            are fixed and the number of images changes, too.
    """
    models = list(models)
    if not any(map(is_compiled, models)):
        return
    limit = torch._dynamo.config.recompile_limit
    if (merges or plan.grow is not None) and any(map(has_fixed_shapes, models)):
        what = "merge=" if merges else "batch_size=Grow(...)"
        warn(
            f"the model is compiled with dynamic=False, and with {what} the number of "
            "images changes as well as their size: each pair is compiled, and beyond "
            f"the {limit} of torch._dynamo.config.recompile_limit the model runs "
            "uncompiled; leave out dynamic=False, or raise the limit"
        )
    if len(plan.sizes) > limit:
        warn(
            f"the model is compiled and the plan has {len(plan.sizes)} sizes, more "
            f"than the {limit} of torch._dynamo.config.recompile_limit: beyond the "
            f"limit the model runs uncompiled; give a Ramp max_sizes={limit} and other "
            "schedules fewer sizes, or raise the limit"
        )
