"""Predict the time of a plan from what was measured."""

from __future__ import annotations

from collections.abc import Callable

from upsize.forecast._advice import advice_for
from upsize.forecast._growing import check_grow
from upsize.forecast._measured import LoadingName, MeasuredCosts
from upsize.forecast._outcome import compared
from upsize.forecast._parts import PARTS, time_by_part
from upsize.forecast._prediction import Prediction, Reason
from upsize.forecast._reasons import reason_for
from upsize.schedule import Plan, Size
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
    seconds = sum(spent.values())

    def saving(end: Size) -> float:
        """Return what training at no size above this one saves."""
        parts = time_by_part(
            steps,
            lambda size: costs.at(capped(size, end)),
            measured.size_change,
            measured.validation,
        )
        return 1 - sum(parts.values()) / full_seconds

    hint = None
    if test_size is not None or measured.images_only:
        hint = _hint(plan, test_size, 1 - seconds / full_seconds, saving)
    return Prediction(
        plan=plan,
        loading=loading,
        seconds=seconds,
        full_seconds=full_seconds,
        reasons=tuple(reasons),
        advice=tuple(advice_for(measured, plan, loading, lost, full_seconds)),
        costs=costs,
        hint=hint,
    )


def _hint(
    plan: Plan,
    test_size: int | tuple[int, int] | None,
    now: float,
    saving: Callable[[Size], float],
) -> str | None:
    """Return what ending below the test size would save; ``None``: no hint fits."""
    end = finish_size(plan, test_size)
    if end is None or saving(end) - now <= _WORTH:
        return None
    return finish_text(plan, test_size, end, compared(saving(end), now))
