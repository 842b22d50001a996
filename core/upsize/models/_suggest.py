"""The largest batch at each planned size that the memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from upsize.models._largest import extrapolate, search
from upsize.models._memory import (
    EXPLANATIONS,
    MemoryKind,
    memory_kind,
    spell_bytes,
    try_step,
)
from upsize.models._probe import Forward, Probe, check_plan, eager, uncompiled
from upsize.resize import Resizer
from upsize.schedule import Plan, Size
from upsize.schedule._size import require_whole_number
from upsize.schedule._table import align

__all__ = ["BatchRow", "SuggestedBatches", "suggest_batches"]


class BatchRow(NamedTuple):
    """The largest batch at one size: its images, and the bytes of a training step.

    Example:
        >>> row = BatchRow(Size(32, 32), images=256, memory=2**30)
        >>> row.images * row.size.height * row.size.width  # pixels of a batch
        262144
    """

    size: Size
    images: int
    memory: int


@dataclass(frozen=True, eq=False)
class SuggestedBatches(Mapping[Size, int]):
    """The most images in a batch, by size; made by :func:`suggest_batches`.

    Args:
        rows: A row for each planned size, in the plan's order.
        memory_kind: What the bytes are, see :class:`CheckReport`.
        device: Where they were measured.
        limit: Bytes that a step may need, the optimizer's state included.
        optimizer: Bytes of the optimizer's state, which are included in the rows.
        most: The most images that were asked for.

    Example:
        >>> rows = (BatchRow(Size(32, 32), 256, 2**30), BatchRow(Size(64, 64), 64, 2**30))
        >>> suggested = SuggestedBatches(rows, "saved", "cpu", 2**30, 0, 1024)
        >>> suggested[32, 32], dict(suggested) == suggested
        (256, True)
        >>> print(suggested)
        size   images  memory
        32x32     256  1.0 GiB
        64x64      64  1.0 GiB
        limit 1.0 GiB, 0 B of it for the optimizer, device cpu
        memory: weights, gradients, batch and what autograd saves, without temporary buffers
    """

    rows: tuple[BatchRow, ...]
    memory_kind: MemoryKind
    device: str
    limit: int
    optimizer: int
    most: int

    def __getitem__(self, size: Any) -> int:
        return {row.size: row.images for row in self.rows}[size]

    def __iter__(self) -> Iterator[Size]:
        return iter([row.size for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        cells = [
            (f"{row.size}", f"{row.images}", spell_bytes(row.memory))
            for row in self.rows
        ]
        lines = [
            align([("size", "images", "memory"), *cells], right=[1]),
            f"limit {spell_bytes(self.limit)}, {spell_bytes(self.optimizer)} of it for "
            f"the optimizer, device {self.device}",
            f"memory: {EXPLANATIONS[self.memory_kind]}",
        ]
        if any(row.images == self.most for row in self.rows):
            lines.append(f"more than most={self.most} images were not tried")
        return "\n".join(lines)


def suggest_batches(
    plan: Plan,
    model: nn.Module,
    sample: Any,
    memory: float = 0.9,
    *,
    forward: Forward | None = None,
    resizer: Resizer | None = None,
    weight_copies: int = 2,
    most: int = 1024,
) -> SuggestedBatches:
    """Find the largest batch for each planned size, and leave no trace.

    On a device that counts its memory, such as a GPU, training steps with growing
    batches are run until the largest one that fits is found, and their real peaks
    count. Elsewhere two small batches are run at each size, and what autograd saves for
    backward is extrapolated. The result says which of the two it is. Weights, buffers,
    ``.grad``, random state and modes stay bit-identical, as with :func:`check`.

    Args:
        plan: Whose sizes are tried, the largest first.
        model: The model, in the mode and on the device that it trains on.
        sample: A training batch of any size. Every tensor in it whose length is the
            number of images is repeated for larger batches.
        memory: Share of the device's memory, in (0, 1]: of what is free and what torch
            already holds. Or bytes, an int, which a CPU needs: of the device that will
            train.
        forward: As for :func:`check`; with your autocast inside, if you use it.
        resizer: How to find and resize the images of the batch.
        weight_copies: What the optimizer keeps for each weight: 2 for Adam's two moments,
            1 for SGD's momentum; add 1 for an EMA of the weights. 0 if all of that is
            already on the device.
        most: Largest batch to try.

    Returns:
        {size: images}, a mapping, which also prints as a table.

    Raises:
        TypeError: When ``model`` is not a module or ``plan`` not a plan.
        ValueError: When one image does not fit at a size, the model fails at a size,
            ``memory`` is a share and the device does not tell how much it has, or the
            sample's images are not one tensor.

    Example:
        >>> from upsize.schedule import Ramp
        >>> model = nn.Sequential(
        ...     nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ... )
        >>> plan = Ramp(final_size=64, increase_by=32).plan(total_steps=100)
        >>> batches = suggest_batches(plan, model, torch.rand(8, 3, 64, 64), 16 * 2**20)
        >>> dict(batches)
        {Size(height=32, width=32): 239, Size(height=64, width=64): 56}
    """
    plan = check_plan(plan)
    most = require_whole_number("most", most)
    if type(weight_copies) is not int or weight_copies < 0:
        raise ValueError(
            f"weight_copies must be a whole number from 0 on, not {weight_copies!r}"
        )
    _check_memory(memory)
    probe = Probe.make(uncompiled(model), sample, forward, resizer, backward=True)
    kind = memory_kind(probe.device, backward=True)
    assert kind is not None  # with backward there is always one
    limit = _limit(memory, probe.device, kind)
    optimizer = weight_copies * sum(
        weight.numel() * weight.element_size()
        for weight in probe.model.parameters()
        if weight.requires_grad
    )
    found: dict[Size, BatchRow] = {}
    with eager():
        for size in sorted(plan.sizes, reverse=True):

            def measure(count: int, size: Size = size) -> int | None:
                return _measured(probe, size, count, optimizer)

            find = search if kind == "peak" else extrapolate
            count, used = find(measure, limit, most)
            if used is None or not count:
                raise ValueError(_too_large(size, used, limit))
            found[size] = BatchRow(size, count, used)
    if kind == "peak":
        torch.get_device_module(probe.device).empty_cache()
    rows = tuple(found[size] for size in plan.sizes)
    return SuggestedBatches(rows, kind, str(probe.device), limit, optimizer, most)


def _check_memory(memory: float) -> None:
    """Refuse what is neither a share nor bytes."""
    is_share = isinstance(memory, float) and 0 < memory <= 1
    is_bytes = isinstance(memory, int) and not isinstance(memory, bool) and memory > 0
    if not (is_share or is_bytes):
        raise ValueError(
            "memory must be a share of the device's in (0, 1], as 0.9, or whole bytes, as "
            f"16 * 2**30, not {memory!r}"
        )


def _limit(memory: float, device: torch.device, kind: MemoryKind) -> int:
    """Return the bytes that a step may need."""
    if isinstance(memory, int):
        return memory
    module = torch.get_device_module(device) if kind == "peak" else None
    if not hasattr(module, "mem_get_info"):
        raise ValueError(
            f"memory={memory} is a share of a device's memory, and {device} does not say "
            "how much it has: give the bytes of the device that will train, as "
            "memory=16 * 2**30"
        )
    free, _ = module.mem_get_info(device)  # type: ignore[union-attr]
    held = module.memory_reserved(device)  # type: ignore[union-attr]
    return int(memory * (free + held))


def _measured(probe: Probe, size: Size, images: int, optimizer: int) -> int | None:
    """Return the bytes of a step; ``None``: more than the device has."""
    step = try_step(probe, size, images)
    if isinstance(step.error, torch.OutOfMemoryError):
        torch.get_device_module(probe.device).empty_cache()
        return None
    if step.error is not None:
        raise ValueError(
            f"the model fails with {images} images of {size}: "
            f"{type(step.error).__name__}: {step.error}; upsize.models.check says which "
            "sizes work"
        ) from step.error
    if step.memory is None:
        raise ValueError(
            "the memory of this model cannot be counted, because it uses torch.func or "
            "tensors without a storage, such as sparse ones: run suggest_batches on the "
            "GPU that trains"
        )
    return step.memory + optimizer


def _too_large(size: Size, used: int | None, limit: int) -> str:
    needs = "needs more" if used is None else f"needs {spell_bytes(used)}, more"
    return (
        f"one image of {size} {needs} than the limit of {spell_bytes(limit)}: the model "
        "does not fit; lower final_size, train under autocast or with activation "
        "checkpointing in forward=, or raise memory="
    )
