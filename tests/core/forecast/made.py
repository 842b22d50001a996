"""Forecasts made of costs that are known."""

from __future__ import annotations

from typing import Any

from upsize.forecast import Costs, Forecast, SizeCost
from upsize.schedule import Size

SIDES = (64, 96, 128)


def cost(side: int, step: float, wait: float = 0.0, **parts: float) -> SizeCost:
    values = {"resize": 0.0, "first_batch": wait} | parts
    return SizeCost(size=Size(side, side), step=step, wait=wait, **values)


def by_pixels(full: float = 0.4, wait: float = 0.0, **parts: float) -> Costs:
    """Return costs whose step follows the pixels, and whose waiting stays."""
    return Costs(
        sizes=tuple(cost(s, full * (s / 128) ** 2, wait, **parts) for s in SIDES)
    )


def forecast(full: Costs, sized: Costs | None = None, **values: Any) -> Forecast:
    defaults: dict[str, Any] = {
        "device": "cpu",
        "batch_size": 32,
        "workers": 1,
        "cores": 4,
        "final_size": full.at_full_size.size,
        "not_sized": None if sized else "it is no DataLoader",
        "size_change": 0.0,
        "validation": None,
    }
    return Forecast(full=full, sized=sized, **defaults | values)
