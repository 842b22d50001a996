"""Predict the time of a plan from what was measured."""

from __future__ import annotations

from upsize.forecast._growing import check_grow
from upsize.forecast._measured import LoadingName, MeasuredCosts
from upsize.forecast._outcome import compared
from upsize.forecast._parts import PARTS, time_by_part
from upsize.forecast._prediction import Prediction, Reason
from upsize.forecast._words import advice_for, reason_for
from upsize.schedule import Plan
from upsize.schedule._finish import capped, finish_size, finish_text

__all__ = ["predict"]

# What a hint is worth: a share of the time of full-size training.
_WORTH = 0.02


def predict(
    measured: MeasuredCosts,
    plan: Plan,
    loading: LoadingName,
    test_size: int | tuple[int, int] | None = None,
) -> Prediction:
    """Return the time of a plan, and why it is not less.

    Args:
        measured: What was measured.
        plan: The plan.
        loading: How batches are loaded.
        test_size: As :meth:`~upsize.forecast.Forecast.predict` takes it.

    Raises:
        ValueError: For a size or a growing batch that was not measured, or ``"sized"``
            where it was not.
    """
    growing = plan.grow is not None
    costs = measured.costs(loading, growing=growing)
    if growing:
        check_grow(measured, plan)
    # Costs of a growing batch are those of a constant one's images.
    steps = plan.plain or plan
    full = measured.full.at(plan.final_size)
    spent = time_by_part(steps, costs.at, measured.size_change, measured.validation)
    whole = time_by_part(steps, lambda _: full, 0.0, measured.validation)
    full_seconds = sum(whole.values())
    lost = {
        part: (spent[part] - plan.pixel_share * whole[part]) / full_seconds
        for part in PARTS
    }
    reasons = sorted(
        (
            Reason(
                part=part,
                share=share,
                text=reason_for(part, share, measured, costs, steps),
            )
            for part, share in lost.items()
        ),
        key=lambda reason: -abs(reason.share),
    )
    hint = None
    classifies = test_size is not None or measured.images_only
    if classifies and (end := finish_size(plan, test_size)) is not None:
        at_most = time_by_part(
            steps,
            lambda size: costs.at(capped(size, end)),
            measured.size_change,
            measured.validation,
        )
        now, then = (1 - sum(each.values()) / full_seconds for each in (spent, at_most))
        if then - now > _WORTH:
            hint = finish_text(plan, test_size, end, compared(then, now))
    return Prediction(
        plan=plan,
        loading=loading,
        seconds=sum(spent.values()),
        full_seconds=full_seconds,
        reasons=tuple(reasons),
        advice=tuple(advice_for(measured, plan, loading, lost, full_seconds)),
        costs=costs,
        hint=hint,
    )
