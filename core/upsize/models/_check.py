"""Try every planned size before training starts."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from upsize.models._memory import memory_kind, try_step
from upsize.models._nearest import common_multiple, nearest
from upsize.models._probe import Forward, Probe, check_plan, eager, uncompiled
from upsize.models._report import CheckReport, CheckRow
from upsize.resize import Resizer
from upsize.schedule import Plan, Size
from upsize.schedule._size import check_whole_number

__all__ = ["check"]


def check(
    model: nn.Module,
    plan: Plan,
    sample: Any,
    *,
    forward: Forward | None = None,
    device: Literal["meta"] | None = None,
    backward: bool = True,
    resizer: Resizer | None = None,
    reach: int = 64,
) -> CheckReport:
    """Run every planned size through a model, the largest first, and leave no trace.

    It also measures the memory of each step: see :class:`CheckReport`. Weights, buffers,
    ``.grad``, random state and the mode of every module stay bit-identical. A model that ``torch.compile`` or ``DistributedDataParallel`` wraps is
    checked without them.

    Args:
        model: The model, in the mode that it trains in.
        plan: Whose sizes are tried.
        sample: A training batch of any size; it is moved to the model's device.
        forward: Called with the model and the batch at a planned size, returns the loss
            or other outputs; ``None``: the model is called with the first image.
        device: ``None`` runs on the model's device. "meta" runs a copy that has shapes
            but no values: it needs no memory and about a second for a few thousand
            operations. It cannot notice a lack of memory or a kernel that the device
            lacks, and operations that depend on values fail, such as selecting the boxes
            of a detector.
        backward: Whether to run the backward pass as well.
        resizer: How to find and resize the images of the batch.
        reach: Largest multiple to try where a size fails: both sides are rounded down,
            and up, to every multiple from 2 to this, nearest first, until one works in
            each direction. That takes at most 2 * (``reach`` - 1) trials for a failed
            size, and no size is tried twice. Trials run on the meta device where it
            gives the same error, else on the model's. After a lack of memory only
            planned sizes are considered.

    Returns:
        What happened at each size, in the plan's order.

    Raises:
        TypeError: When ``model`` is not a module or ``plan`` not a plan.
        ValueError: When the sample has no image or a parameter is not initialised.

    Example:
        >>> from upsize.schedule import Ramp
        >>> class Strided(nn.Module):
        ...     def forward(self, images):
        ...         if images.shape[-1] % 8:
        ...             raise ValueError(f"{images.shape[-1]} is not a multiple of 8")
        ...         return images.mean()
        >>> plan = Ramp(final_size=64, increase_by=12).plan(total_steps=100)
        >>> report = check(Strided(), plan, torch.rand(2, 3, 64, 64))
        >>> print(report)
        size   memory  result
        32x32  24 KiB  works
        44x44  -       ValueError: 44 is not a multiple of 8; nearest that works: 40x40 and 48x48
        56x56  74 KiB  works
        64x64  96 KiB  works
        3 of 4 sizes work, forward and backward, device cpu
        memory: weights, gradients, batch and what autograd saves, without temporary buffers
        sizes that work: multiples of 8
        >>> report.ok, report.multiple_of
        (False, Size(height=8, width=8))
    """
    plan = check_plan(plan)
    reach = check_whole_number("reach", reach)
    if device not in (None, "meta"):
        raise ValueError(
            f'device must be "meta" or None, the model\'s own, not {device!r}: move the '
            "model there first"
        )
    model = uncompiled(model)
    probe = Probe.make(model, sample, forward, resizer, backward)
    if device == "meta":
        probe = probe.on_meta()
    with eager():
        steps = {
            size: try_step(probe, size) for size in sorted(plan.sizes, reverse=True)
        }
        errors = {size: step.error for size, step in steps.items()}
        found, multiple = _alternatives(probe, errors, reach)
    rows = tuple(
        CheckRow(size, _reason(errors[size]), found.get(size, ()), steps[size].memory)
        for size in plan.sizes
    )
    kind = memory_kind(probe.device, backward)
    return CheckReport(rows, str(probe.device), backward, multiple, kind)


def _reason(error: Exception | None) -> str | None:
    if error is None:
        return None
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _alternatives(
    probe: Probe, errors: dict[Size, Exception | None], reach: int
) -> tuple[dict[Size, tuple[Size, ...]], Size | None]:
    """Return the nearest working sizes for each failed one, and their multiple."""
    tried = {size: error is None for size, error in errors.items()}
    planned = [size for size, ok in tried.items() if ok]
    failed = [size for size, ok in tried.items() if not ok]
    full = [size for size in failed if _is_memory(errors[size])]
    # A lack of memory says nothing about the sizes that the model accepts.
    tried = {size: ok for size, ok in tried.items() if size not in full}
    found = {size: nearest(size, lambda _: False, planned, 1) for size in full}
    searcher: Probe | None = None

    def works(size: Size) -> bool:
        if size not in tried:
            assert searcher is not None
            tried[size] = searcher.failure(size) is None
        return tried[size]

    for size in failed:
        if size not in full:
            searcher = searcher or _searcher(probe, size, errors[size])
            found[size] = nearest(size, works, planned, reach)
    multiple = common_multiple(tried)
    if multiple is not None:
        # The rule must predict sizes that were not tried yet.
        height, width = max(size for size, ok in tried.items() if ok)
        for more in (1, 2):
            works(Size(height + more * multiple.height, width + more * multiple.width))
        multiple = common_multiple(tried)
    return found, multiple


def _is_memory(error: Exception | None) -> bool:
    return isinstance(error, torch.OutOfMemoryError)


def _searcher(probe: Probe, size: Size, error: Exception | None) -> Probe:
    """Return the probe on the meta device, or itself if the error differs there."""
    try:
        meta = probe.on_meta()
    except Exception:  # a model that cannot be copied
        return probe
    return meta if _reason(meta.failure(size)) == _reason(error) else probe
