"""plot_accuracy: a line for each run."""

from __future__ import annotations

import pytest
from tests.core.plot.canvas import canvas_of

from upsize.plot import STYLES, plot_accuracy

RUNS = {
    "a": [(1.0, 0.5), (2.0, 0.75)],
    "b": [(1.0, 0.25)],
    "c": [(0.5, 0.2), (2.0, 0.2)],
}


def test_accuracy_is_drawn_in_percent_over_seconds() -> None:
    ax = plot_accuracy(RUNS)
    assert [line.get_xydata().tolist() for line in ax.lines] == [
        [[1.0, 50.0], [2.0, 75.0]], [[1.0, 25.0]], [[0.5, 20.0], [2.0, 20.0]],
    ]  # fmt: skip
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    assert "seconds" in ax.get_xlabel()
    assert "%" in ax.get_ylabel()


def test_each_point_has_its_marker_and_points_are_joined() -> None:
    ax = plot_accuracy(RUNS)
    canvas = canvas_of(ax)
    for each, points in zip(STYLES, RUNS.values(), strict=False):
        for seconds, accuracy in points:
            (color,) = canvas.around(ax, seconds, 100 * accuracy)
            assert canvas.shows(ax, seconds, 100 * accuracy, each.color, radius=0), (
                color
            )
    assert canvas.shows(ax, 1.5, 62.5, STYLES[0].color)
    assert not canvas.shows(ax, 1.5, 40, STYLES[0].color)
    # Dashes and gaps: somewhere on the line between, not everywhere.
    along = [
        canvas.shows(ax, 0.6 + 0.01 * n, 20, STYLES[2].color, 0) for n in range(100)
    ]
    assert any(along)
    assert not all(along)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        plot_accuracy({})
