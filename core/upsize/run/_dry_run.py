"""A forward and backward pass that leaves a model as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from upsize.resize._containers import leaves
from upsize.schedule import Size

__all__ = ["dry_run", "random_state", "untouched"]


@contextmanager
def random_state(devices: set[torch.device]) -> Iterator[None]:
    """Put back the random state of Python, NumPy (where loaded) and torch."""
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    legacy = numpy.random.get_state() if numpy else None
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        accelerators = {device.type for device in devices} - {"cpu", "meta"}
        for kind in accelerators:  # pragma: no cover - needs one
            ids = [device.index for device in devices if device.type == kind]
            stack.enter_context(torch.random.fork_rng(ids, device_type=kind))
        try:
            yield
        finally:
            random.setstate(python)
            if numpy:
                numpy.random.set_state(legacy)


@contextmanager
def _module_state(model: nn.Module) -> Iterator[None]:
    """Put back every buffer and attribute of the model and its submodules."""
    attributes = [(module, dict(module.__dict__)) for module in model.modules()]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    values = [
        (buffer, buffer.detach().clone())
        for _, named in buffers
        for buffer in named.values()
        if buffer is not None
    ]
    try:
        yield
    finally:
        for module, saved in attributes:
            module.__dict__.clear()
            module.__dict__.update(saved)
        for module, named in buffers:
            module._buffers.clear()
            module._buffers.update(named)
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put back buffers, attributes and random state, whatever happens inside.

    Parameters and their ``.grad`` are not copied: what runs inside must use
    :func:`torch.autograd.grad`, never ``backward``. Objects that attributes refer to,
    as a list that a hook appends to, are not copied either.
    """
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    with random_state(devices), _module_state(model):
        yield


def dry_run(model: nn.Module, forward: Callable[[], Any], size: Size) -> None:
    """Run forward and backward, and leave the model and the random state untouched.

    Args:
        model: The model whose state is kept.
        forward: Calls it; every floating tensor that it returns is differentiated.
        size: The size that is tried, for the error.

    Raises:
        ValueError: When a parameter is not initialised yet.
        torch.OutOfMemoryError: When the memory does not suffice; names the size.
    """
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise ValueError(
            "the model has lazy parameters, which a dry run would initialise: run one "
            "batch through it first"
        )
    parameters = [p for p in model.parameters() if p.requires_grad]
    try:
        with untouched(model), torch.enable_grad():
            losses = [
                value.float().sum()
                for _, value in leaves(forward())
                if isinstance(value, Tensor) and value.requires_grad
            ]
            if losses and parameters:
                loss = torch.stack(losses).sum()
                torch.autograd.grad(loss, parameters, allow_unused=True)
    except torch.OutOfMemoryError as error:
        error.add_note(
            f"upsize: the model does not fit at its full size {size}: lower the batch "
            "size or final_size"
        )
        raise
