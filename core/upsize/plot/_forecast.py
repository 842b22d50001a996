"""A forecast next to its measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Literal

from upsize.plot._style import axes, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_forecast"]

_LABELS = {"seconds": "training time (seconds)", "saving": "time saved (%)"}


def _checked(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name!r} must be a finite number, not {value}")
    return value


def _measurements(name: str, value: float | Sequence[float]) -> list[float]:
    """Return one measurement or several as a list, in ascending order."""
    values = list(value) if isinstance(value, Sequence) else [value]
    if not values:
        raise ValueError(f"{name!r} holds no measurement: leave it out")
    return sorted(_checked(name, each) for each in values)


def plot_forecast(
    forecast: Mapping[str, float],
    measured: Mapping[str, float | Sequence[float]],
    ax: Axes | None = None,
    *,
    unit: Literal["seconds", "saving"] = "seconds",
) -> Axes:
    """Draw the forecasts of several runs, and their measurements.

    The forecast of a run is a bar, with its name below. Its measurement is a marker
    on the bar: the median of several, with a line from the smallest to the largest.

    Args:
        forecast: Forecasts by name, from the left: training seconds, or the share of
            the training time that is saved, where 0.25 is a quarter; negative if time
            is lost.
        measured: Measurements by the same names: one value, or several of repeated
            runs. Leave out runs that were not measured.
        ax: Where to draw; ``None``: on a new figure.
        unit: What the values are: ``"seconds"``, or ``"saving"``, drawn in percent.

    Returns:
        The axes.

    Raises:
        ValueError: When there is no forecast, a measurement has no forecast, a list
            holds no measurement, a value is not finite, or the unit is unknown.

    Example:
        >>> ax = plot_forecast(
        ...     {"ramp": 41.5, "linear": 47.0},
        ...     {"ramp": [44.0, 43.0, 47.0], "linear": 47.5},
        ... )
        >>> [text.get_text() for text in ax.get_xticklabels()]
        ['ramp', 'linear']
        >>> [float(bar.get_height()) for bar in ax.patches]
        [41.5, 47.0]
        >>> ax.lines[0].get_ydata().tolist()
        [44.0, 47.5]
    """
    if unit not in _LABELS:
        raise ValueError(f"unit must be 'seconds' or 'saving', not {unit!r}")
    if not forecast:
        raise ValueError("forecast must hold at least one run, not {}")
    if alone := [name for name in measured if name not in forecast]:
        raise ValueError(
            f"measured has {', '.join(map(repr, alone))}, which is not in forecast: "
            f"{', '.join(map(repr, forecast))}"
        )
    ax = axes(ax)
    factor = 100 if unit == "saving" else 1
    heights = [factor * _checked(*item) for item in forecast.items()]
    ax.bar(range(len(heights)), heights, 0.6, color=style(0).color, label="forecast")
    places = [number for number, name in enumerate(forecast) if name in measured]
    runs = [
        [factor * each for each in _measurements(name, measured[name])]
        for name in forecast
        if name in measured
    ]
    if runs:
        middles = [median(values) for values in runs]
        ranges = [
            [middle - values[0] for middle, values in zip(middles, runs, strict=True)],
            [values[-1] - middle for middle, values in zip(middles, runs, strict=True)],
        ]
        # Orange on blue, with a black edge, is also light on dark in grey.
        ax.errorbar(
            places,
            middles,
            yerr=ranges,
            linestyle="none",
            marker=style(1).marker,
            markersize=7,
            markerfacecolor=style(1).color,
            markeredgecolor="black",
            ecolor="black",
            capsize=5,
            label="measured",
        )
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(range(len(heights)), list(forecast))
    ax.grid(visible=False, axis="x")
    ax.set_ylabel(_LABELS[unit])
    # Above the axes: inside them a bar may be anywhere.
    ax.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return ax
