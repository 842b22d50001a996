"""plot_forecast: bars of what was forecast, markers of what was measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.core.plot.canvas import canvas_of

from upsize.plot import STYLES, plot_forecast

FORECAST = {"ramp": 40.0, "linear": 48.0, "phases": 32.0}
MEASURED = {"linear": 60.0, "ramp": [50.0, 44.0, 47.0, 48.0]}


def test_bars_and_markers_stand_over_their_names() -> None:
    ax = plot_forecast(FORECAST, MEASURED)
    assert [text.get_text() for text in ax.get_xticklabels()] == list(FORECAST)
    assert [bar.get_height() for bar in ax.patches] == [40, 48, 32]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in ax.patches]
    assert middles == pytest.approx([0, 1, 2])
    marks = ax.lines[0].get_xydata().tolist()
    assert marks == [[0, 47.5], [1, 60]]  # the median of four, and the only one
    (ranges,) = ax.collections[0].get_segments()[:1]
    assert ranges.tolist() == [[0, 44], [0, 50]]
    assert "seconds" in ax.get_ylabel()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["forecast", "measured"]


def test_shares_are_drawn_in_percent_and_may_be_negative() -> None:
    ax = plot_forecast({"a": 0.25, "b": -0.125}, {"b": [-0.25, 0.0]}, unit="saving")
    assert [bar.get_height() for bar in ax.patches] == [25, -12.5]
    assert ax.lines[0].get_xydata().tolist() == [[1, -12.5]]
    assert ax.get_ylabel() == "time saved (%)"
    assert ax.get_ylim()[0] < -25


def test_without_measurements_there_are_bars() -> None:
    ax = plot_forecast(FORECAST, {})
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["forecast"]


def test_the_pixels_of_the_picture() -> None:
    ax = plot_forecast(FORECAST, MEASURED)
    canvas = canvas_of(ax)
    for place, seconds in enumerate(FORECAST.values()):
        for x in place - 0.25, place + 0.25:
            assert canvas.shows(ax, x, seconds - 2, STYLES[0].color, radius=0)
            (above,) = canvas.around(ax, x, seconds + 1)
            assert above == pytest.approx(np.ones(3), abs=0.25)
        assert not canvas.shows(ax, place - 0.36, seconds / 2, STYLES[0].color)
    for place, seconds in ((0, 47.5), (1, 60.0)):
        assert canvas.shows(ax, place, seconds, STYLES[1].color, radius=0)
    assert not canvas.shows(ax, 2, 40, STYLES[1].color, radius=8)
    # The range of several: a black line from the least to the most of them, no further.
    for seconds in 44, 45, 49.5, 50:
        assert canvas.shows(ax, 0, seconds, "black", radius=1)
    for seconds in 42, 52:
        assert not canvas.shows(ax, 0, seconds, "black", radius=1)


@pytest.mark.parametrize(
    ("forecast", "measured", "unit", "said"),
    [
        ({}, {}, "seconds", "forecast must hold at least one run"),
        (
            FORECAST,
            {"ramps": 1.0},
            "seconds",
            r"'ramps', which is not in forecast: 'ramp'",
        ),
        (FORECAST, {"ramp": []}, "seconds", r"'ramp' holds no measurement"),
        (
            {"ramp": math.nan},
            {},
            "seconds",
            r"'ramp' must be a finite number, not nan",
        ),
        (FORECAST, {"ramp": [1, math.inf]}, "seconds", r"'ramp' .* not inf"),
        (FORECAST, {}, "hours", r"unit must be 'seconds' or 'saving', not 'hours'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    forecast: Any, measured: Any, unit: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        plot_forecast(forecast, measured, unit=unit)
