"""Run one batch through a model at one size, and leave no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from upsize.resize import Resizer
from upsize.resize._containers import leaves
from upsize.resize._containers import replace as replace_leaves
from upsize.run._dry_run import dry_run, restoring_model
from upsize.schedule import Plan, Size

__all__ = [
    "Forward",
    "Probe",
    "check_plan",
    "device_of",
    "on_meta",
    "peak_memory",
    "to_device",
]

Forward: TypeAlias = Callable[[nn.Module, Any], Any]


def check_plan(plan: Any) -> Plan:
    """Return ``plan``, or say how to make one.

    Raises:
        TypeError: When it is not a plan.
    """
    if not isinstance(plan, Plan):
        raise TypeError(
            f"plan must be a Plan, not a {type(plan).__name__}: make one with "
            "schedule.plan(epochs=..., steps_per_epoch=...), or take .plan of a "
            "ProgressiveResize"
        )
    return plan


def device_of(model: nn.Module) -> torch.device | None:
    """Return the device of the first parameter or buffer, ``None`` without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return None


def to_device(batch: Any, device: torch.device | None) -> Any:
    """Return the batch with every tensor on ``device``; itself when nothing moves."""
    moved = {
        path: leaf.to(device)
        for path, leaf in leaves(batch)
        if isinstance(leaf, Tensor) and device is not None and leaf.device != device
    }
    return replace_leaves(batch, moved) if moved else batch


def on_meta(model: nn.Module) -> nn.Module:
    """Copy a model to the meta device; its weights are never copied."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                empty = nn.Parameter(parameter.detach().to("meta"))
                memo[id(parameter)] = empty.requires_grad_(parameter.requires_grad)
        attributes = (*module._buffers.values(), *vars(module).values())
        for value in attributes:
            if isinstance(value, Tensor):
                memo[id(value)] = value.detach().to("meta")
    return copy.deepcopy(model, memo)


def peak_memory(device: torch.device, run: Callable[[], None]) -> int | None:
    """Run, and return the most bytes allocated on the device meanwhile.

    ``None`` where the device does not count them, as CPUs do not. The device's own peak
    counter is reset.
    """
    counts = None
    if device.type not in ("cpu", "meta"):
        counts = torch.get_device_module(device)
    if not hasattr(counts, "reset_peak_memory_stats"):
        run()
        return None
    counts.reset_peak_memory_stats(device)  # type: ignore[union-attr]
    run()
    return int(counts.max_memory_allocated(device))  # type: ignore[union-attr]


@dataclass(frozen=True)
class Probe:
    """A model, a batch and how to call the model with it."""

    model: nn.Module
    batch: Any
    forward: Forward | None
    resizer: Resizer
    backward: bool

    @classmethod
    def make(
        cls,
        model: nn.Module,
        sample: Any,
        forward: Forward | None,
        resizer: Resizer | None,
        backward: bool,
    ) -> Probe:
        """Check the arguments, and move the batch to the model's device.

        Raises:
            TypeError: When ``model`` is not a module.
            ValueError: When a parameter is not initialised, or the sample has no image.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a Module, not a {type(model).__name__}")
        if isinstance(model, DistributedDataParallel):
            # Its own forward prepares for a backward that a probe never runs.
            model = model.module
        if any(map(nn.parameter.is_lazy, model.parameters())):
            raise ValueError(
                "the model has lazy parameters, which a trial would initialise: run "
                "one batch through it first"
            )
        resizer = Resizer() if resizer is None else resizer
        resizer.image_size(sample)
        batch = to_device(sample, device_of(model))
        return cls(model, batch, forward, resizer, backward)

    def on_meta(self) -> Probe:
        """Return the same on the meta device, with a copy of the model."""
        model = on_meta(self.model)
        batch = to_device(self.batch, torch.device("meta"))
        return replace(self, model=model, batch=batch)

    def batch_at(self, size: Size) -> Any:
        """Return the batch with its images at ``size``."""
        return self.resizer(self.batch, size)

    def run(self, batch: Any, size: Size) -> None:
        """Run the batch forward, and backward if asked to."""

        def forward() -> Any:
            if self.forward is None:
                return self.model(self.resizer.first_image(batch))
            return self.forward(self.model, batch)

        if self.backward:
            dry_run(self.model, forward, size)
        else:
            with restoring_model(self.model), torch.no_grad():
                forward()

    def failure(self, size: Size) -> Exception | None:
        """Return the model's error at ``size``, ``None`` when it works."""
        batch = self.batch_at(size)
        try:
            self.run(batch, size)
        except Exception as error:
            # The frames hold the activations, which fill the memory.
            return error.with_traceback(None)
        return None
