"""The reasons and the advice of a prediction, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

from upsize.forecast._costs import Costs, SizeCost
from upsize.forecast._measured import LoadingName, MeasuredCosts
from upsize.forecast._outcome import compared
from upsize.forecast._parts import step_counts, time_by_part
from upsize.schedule import Grow, Plan, Size

__all__ = ["advice_for", "reason_for"]

# What is worth a change: a share of the time of full-size training.
_WORTH = 0.02
# Two sizes cost the same when the smaller one takes this share of the larger one's time.
_SAME = 0.95


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
        if below.step < _SAME * above.step:
            break
        flat = above.size
    return flat


def advice_for(
    measured: MeasuredCosts,
    plan: Plan,
    loading: LoadingName,
    lost: Mapping[str, float],
    full_seconds: float,
) -> list[str]:
    """Say what to change, the loader first.

    Args:
        measured: What was measured.
        plan: The plan.
        loading: How it loads.
        lost: What each part takes beyond the pixels' share, of full-size training.
        full_seconds: Of full-size training.
    """
    growing = plan.grow is not None
    costs = measured.costs(loading, growing=growing)
    steps = plan.plain or plan

    def share(costs: Costs, least: SizeCost | None = None) -> float:
        """Return the time of the plan, with no size smaller than ``least``."""

        def cost_at(size: Size) -> SizeCost:
            small = least is not None and math.prod(size) < math.prod(least.size)
            return least if small and least is not None else costs.at(size)

        parts = time_by_part(steps, cost_at, measured.size_change, measured.validation)
        return sum(parts.values()) / full_seconds

    now = share(costs)
    advice = []
    if loading == "full" and measured.sized is not None:
        sized = measured.costs("sized", growing=growing)
        if now - (then := share(sized)) > _WORTH:
            advice.append(
                "use a sized loader, sized(loader, resize): "
                + compared(1 - then, 1 - now)
            )
    elif loading == "full" and lost["loader"] > _WORTH:
        advice.append(f"the loader makes full-size images: {measured.not_sized}")
    if lost["loader"] > _WORTH:
        advice += _workers(measured, plan, costs)
    if measured.grow is not None and not growing:
        then = share(measured.costs(loading, growing=True))
        advice.append(_growing(measured.grow, 1 - now, 1 - then))
    if lost["size change"] > _WORTH:
        advice.append(
            f"use fewer sizes than {len(plan.sizes)}: max_sizes or a larger increase_by"
        )
    advice += _other_sizes(costs, plan, lambda least: share(costs, least) - now)
    if lost["validation"] > _WORTH:
        advice.append(
            "validate less often: a validation takes as long at every training size"
        )
    maximum = 1 - plan.pixel_share
    cheapest = (
        min(cost.total for cost in costs.sizes) / measured.full.at_full_size.total
    )
    if 1 - now < 0.7 * maximum and 0.9 * cheapest + 0.1 < 1 - maximum:
        advice.append(
            "use a later start and finish: "
            f"suggest(budget={1 - maximum:.2f}) finds those that save the theoretical "
            "maximum of this one"
        )
    return advice


def _growing(grow: Grow, now: float, then: float) -> str:
    """Say what a growing batch adds."""
    limit = (
        grow.limit if isinstance(grow.limit, int) else max(dict(grow.limit).values())
    )
    saves = compared(then, now)
    if then - now > _WORTH:
        return f"grow the batch up to {limit} images while they are small: {saves}"
    return f"keep the batch constant: one that grows up to {limit} images {saves}"


def _workers(measured: MeasuredCosts, plan: Plan, costs: Costs) -> list[str]:
    """Say how many workers would keep up."""
    if measured.workers == 0:
        return ["use num_workers=1 or more, which load while the model trains"]
    bound = [
        cost for cost in map(costs.at, step_counts(plan)) if cost.bound_by == "loader"
    ]
    if not bound:
        return []
    needed = max(
        math.ceil(measured.workers * cost.total / (cost.step + cost.resize))
        for cost in bound
    )
    if needed <= measured.cores:
        return [f"num_workers={needed} instead of {measured.workers} would keep up"]
    return [
        f"{needed} workers would keep up, of {measured.cores} cores: decode less, with "
        "open_image, RandomResizedCropDecode or small copies; upsize loading DIR shows "
        "what each saves"
    ]


def _other_sizes(
    costs: Costs, plan: Plan, dearer: Callable[[SizeCost], float]
) -> list[str]:
    """Name larger sizes that cost no more."""
    advice = []
    small = math.prod(min(plan.sizes, key=math.prod))
    for cost in reversed(costs.sizes[:-1]):
        if math.prod(cost.size) > small and dearer(cost) < _WORTH / 2:
            advice.append(
                f"initial_size={max(cost.size)}: costs {100 * dearer(cost):.1f} points "
                "and trains on larger images"
            )
            break
    for below, above in pairwise(costs.sizes):
        if below.step > above.step / _SAME:
            multiple = math.gcd(32, *above.size)
            advice.append(
                f"multiple_of={multiple}: a step at {below.size} takes longer than at "
                f"{above.size}"
            )
            break
    return advice
