"""The plans that a picture shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upsize.schedule import Plan

__all__ = ["named_plans"]


def named_plans(plans: Any) -> dict[str, Plan]:
    """Return plans by name; a single one has the name ``""``.

    Args:
        plans: A plan, or several by name.

    Raises:
        TypeError: When it is something else, such as a schedule.
        ValueError: When there is no plan.
    """
    named = {"": plans} if isinstance(plans, Plan) else plans
    if isinstance(named, Mapping):
        others = [each for each in named.values() if not isinstance(each, Plan)]
        if not named:
            raise ValueError("plans must hold at least one plan, not {}")
        if not others:
            return dict(named)
        plans = others[0]
    raise TypeError(
        f"plans must be a Plan or {{name: Plan}}, not a {type(plans).__name__}: "
        "schedule.plan(...) makes a plan"
    )
