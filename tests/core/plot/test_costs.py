"""plot_costs: measurements as markers, fitted curves as lines."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from tests.core.plot.canvas import canvas_of

from upsize.plot import STYLES, plot_costs

MEASURED = {
    "step": [(128, 33.0), (64, 9.0), (96, 20.0), (96, 22.0)],
    "loader": [(64, 5.0), (128, 12.0)],
}
CURVE = [(side, 1 + 32 * (side / 128) ** 2) for side in range(64, 129, 8)]


def test_markers_are_in_order_and_joined_only_without_a_curve() -> None:
    ax = plot_costs(MEASURED, fitted={"step": CURVE[::-1]})
    step, fitted, loader = ax.lines
    assert step.get_xydata().tolist() == [[64, 9], [96, 20], [96, 22], [128, 33]]
    assert (step.get_linestyle(), step.get_marker()) == ("None", "o")
    assert fitted.get_xydata().tolist() == [list(point) for point in CURVE]
    assert fitted.get_marker() == "None"
    assert fitted.get_color() == step.get_color() != loader.get_color()
    assert loader.get_linestyle() == "--"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["step", "step, fitted", "loader"]
    assert ax.get_xlim()[0] == ax.get_ylim()[0] == 0


def test_the_pixels_of_the_picture() -> None:
    figure = Figure(figsize=(8, 5))
    ax = plot_costs(MEASURED, figure.subplots(), fitted={"step": CURVE})
    canvas = canvas_of(ax)
    for each, points in zip(STYLES, MEASURED.values(), strict=False):
        for side, milliseconds in points:
            assert canvas.shows(ax, side, milliseconds, each.color, radius=0)
    for side, milliseconds in CURVE:
        assert canvas.shows(ax, side, milliseconds, STYLES[0].color, radius=1)
    # Between two measurements there is only the curve, and it is a curve.
    assert canvas.shows(ax, 110, 1 + 32 * (110 / 128) ** 2, STYLES[0].color)
    assert not canvas.shows(ax, 80, 18, STYLES[0].color)
    # A straight line in dashes joins what has no curve.
    along = [
        canvas.shows(ax, side, 5 + (side - 64) * 7 / 64, STYLES[1].color, radius=1)
        for side in range(68, 124)
    ]
    assert any(along)
    assert not all(along)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one measurement"):
        plot_costs({})
    with pytest.raises(
        ValueError, match=r"'loader' holds no measurement: leave it out"
    ):
        plot_costs({"step": [(64, 9.0)], "loader": []})
    with pytest.raises(ValueError, match=r"fitted has 'steps', which .* measured: 'st"):
        plot_costs(MEASURED, fitted={"steps": CURVE})
    with pytest.raises(ValueError, match=r"'step', fitted, holds no point: leave it"):
        plot_costs(MEASURED, fitted={"step": []})
