"""Why a prediction saves less, or more, than its pixels, in words."""

from __future__ import annotations

import math
from itertools import pairwise

from upsize.forecast._costs import Costs
from upsize.forecast._measured import MeasuredCosts
from upsize.schedule import Plan, Size

__all__ = ["SAME", "reason_for"]

#: Two sizes cost the same when the smaller one takes this share of the larger one's time.
SAME = 0.95


def reason_for(
    part: str, share: float, measured: MeasuredCosts, costs: Costs, plan: Plan
) -> str:
    """Say why a part of the time does not follow the pixels."""
    if part == "step":
        return _step_reason(share, measured, costs, plan)
    if part == "loader":
        if share < 0:
            return "waiting for the loader shrinks more than the pixels do"
        if all(cost.bound_by == "model" for cost in costs.sizes):
            return "waiting for the loader, though the model bounds every size"
        return f"the bottleneck is {costs.bottleneck()}"
    return {
        "epoch start": "the first batch of each epoch",
        "resize": "batches are moved to the device and resized there",
        "size change": f"the first step at each of {len(plan.sizes) - 1} new sizes",
        "validation": "validation is at full size",
    }[part]


def _step_reason(
    share: float, measured: MeasuredCosts, costs: Costs, plan: Plan
) -> str:
    if share < 0:
        return "the model's step shrinks more than the pixels do"
    if (flat := _flat_up_to(costs)) is not None:
        cause = "a fixed cost" if measured.device == "cpu" else "launch-bound"
        return f"the model's step is no faster below {max(flat)} px: {cause}"
    small = min(plan.sizes, key=math.prod)
    cost = costs.at(small)
    pixels = math.prod(small) / math.prod(costs.at_full_size.size)
    return (
        f"the model's step does not follow the pixels: at {small} it takes "
        f"{cost.step / costs.at_full_size.step:.0%} of the full one, for {pixels:.0%} of "
        "the pixels"
    )


def _flat_up_to(costs: Costs) -> Size | None:
    """Return the size below which a step costs the same; None where there is none."""
    flat = None
    for below, above in pairwise(costs.sizes):
        if below.step < SAME * above.step:
            break
        flat = above.size
    return flat
