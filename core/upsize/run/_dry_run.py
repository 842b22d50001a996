"""A forward and backward pass that leaves a model unchanged."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from upsize.resize._containers import leaves
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["current_gpu", "dry_run", "restoring_model", "restoring_random_state"]


def current_gpu() -> set[torch.device]:
    """Return the GPU that this process draws on, if there is one."""
    if not torch.cuda.is_available():
        return set()
    return {torch.device("cuda", torch.cuda.current_device())}


@contextmanager
def restoring_random_state(devices: set[torch.device]) -> Iterator[None]:
    """Restore the random state of Python, NumPy (where loaded) and torch."""
    numpy = sys.modules.get("numpy")
    with Restoring() as changes:
        changes.callback(random.setstate, random.getstate())
        if numpy:
            changes.callback(numpy.random.set_state, numpy.random.get_state())
        changes.enter_context(torch.random.fork_rng(devices=[]))
        accelerators = {device.type for device in devices} - {"cpu", "meta"}
        for kind in accelerators:  # pragma: no cover - needs one
            ids = [device.index for device in devices if device.type == kind]
            changes.enter_context(torch.random.fork_rng(ids, device_type=kind))
        yield


@contextmanager
def restoring_model(model: nn.Module) -> Iterator[None]:
    """Restore buffers, attributes, hooks and random state, whatever happens inside.

    Parameters and their ``.grad`` are not copied: code inside must use
    :func:`torch.autograd.grad`, never ``backward``. Objects that attributes refer to
    are not copied either, such as a list that a hook appends to.
    """
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    with restoring_random_state(devices), Restoring() as changes:
        for module in model.modules():
            buffers = module._buffers.values()
            changes.save_values(buffer for buffer in buffers if buffer is not None)
            # A first call may add hooks, and an attribute that says so.
            own = module.__dict__.items()
            hooks = [v for k, v in own if "_hooks" in k and isinstance(v, dict)]
            for held in (module._buffers, *hooks, module.__dict__):
                changes.callback(_refill, held, dict(held))
        yield


def _refill(held: dict[str, Any], before: dict[str, Any]) -> None:
    held.clear()
    held.update(before)


def dry_run(model: nn.Module, forward: Callable[[], Any], size: Size) -> bool:
    """Run forward and backward, and leave the model and the random state untouched.

    Args:
        model: The model whose state is kept.
        forward: Calls the model; every floating tensor that it returns is
            differentiated.
        size: The size of the images, for the error.

    Returns:
        Whether something could be differentiated, or the model has nothing to train.

    Raises:
        ValueError: When a parameter is not initialized yet.
        torch.OutOfMemoryError: When the model does not fit; names the size.
    """
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise ValueError(
            "the model has lazy parameters, which a dry run would initialize: run one "
            "batch through it first"
        )
    parameters = [p for p in model.parameters() if p.requires_grad]
    try:
        with restoring_model(model), torch.enable_grad():
            losses = [
                value.float().sum()
                for _, value in leaves(forward())
                if isinstance(value, Tensor) and value.requires_grad
            ]
            if losses and parameters:
                loss = torch.stack(losses).sum()
                torch.autograd.grad(loss, parameters, allow_unused=True)
            return bool(losses) or not parameters
    except torch.OutOfMemoryError as error:
        error.add_note(
            f"upsize: the model does not fit at its full size {size}: lower the batch "
            "size or final_size"
        )
        raise
