"""What to change, so that a schedule saves more, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

from upsize.forecast._costs import Costs, SizeCost
from upsize.forecast._measured import LoadingName, MeasuredCosts
from upsize.forecast._outcome import compared
from upsize.forecast._parts import step_counts, time_by_part
from upsize.forecast._reasons import SAME
from upsize.schedule import Grow, Plan, Size

__all__ = ["advice_for"]

# What is worth a change: a share of the time of full-size training.
_WORTH = 0.02


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
    advice = _loading(measured, loading, growing, lost, share, now)
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
    return advice + _later(measured, costs, 1 - plan.pixel_share, 1 - now)


def _loading(
    measured: MeasuredCosts,
    loading: LoadingName,
    growing: bool,
    lost: Mapping[str, float],
    share: Callable[[Costs], float],
    now: float,
) -> list[str]:
    """Say what a sized loader adds, or why there is none."""
    if loading == "sized":
        return []
    if measured.sized is not None:
        then = share(measured.costs("sized", growing=growing))
        if now - then <= _WORTH:
            return []
        saves = compared(1 - then, 1 - now)
        return [f"use a sized loader, sized(loader, resize): {saves}"]
    if lost["loader"] <= _WORTH:
        return []
    return [f"the loader makes full-size images: {measured.not_sized}"]


def _later(
    measured: MeasuredCosts, costs: Costs, maximum: float, saving: float
) -> list[str]:
    """Say which budget reaches the theoretical maximum, if a later growth can."""
    cheapest = min(cost.total for cost in costs.sizes)
    cheapest /= measured.full.at_full_size.total
    if saving >= 0.7 * maximum or 0.9 * cheapest + 0.1 >= 1 - maximum:
        return []
    return [
        f"use a later start and finish: suggest(budget={1 - maximum:.2f}) finds those "
        "that save the theoretical maximum of this one"
    ]


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
        if below.step > above.step / SAME:
            multiple = math.gcd(32, *above.size)
            advice.append(
                f"multiple_of={multiple}: a step at {below.size} takes longer than at "
                f"{above.size}"
            )
            break
    return advice
