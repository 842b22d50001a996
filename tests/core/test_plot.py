"""The pictures: what is drawn, not its bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from upsize.plot import STYLES, check_picture, plot_accuracy, plot_sizes, save, style
from upsize.schedule import Ramp

PLAN = Ramp(final_size=(64, 96), increase_by=16).plan(epochs=8, steps_per_epoch=10)
STEPS = Ramp(final_size=64, increase_by=32).plan(total_steps=80)


def test_one_plan_is_a_staircase_over_epochs() -> None:
    ax = plot_sizes(PLAN)
    (line,) = ax.lines
    assert list(line.get_xdata()) == [s.start / 10 for s in PLAN.stages] + [8]
    assert list(line.get_ydata()) == [max(s.size) for s in PLAN.stages] + [96]
    assert ax.get_legend() is None
    assert ax.get_xlabel() == "epoch"


def test_several_plans_differ_in_colour_and_line() -> None:
    figure = Figure()
    ax = plot_sizes({"a": PLAN, "b": STEPS}, figure.subplots())
    assert ax.figure is figure
    assert ax.get_xlabel() == "step"  # STEPS does not know its epochs
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert len({line.get_color() for line in ax.lines}) == 2
    assert len({line.get_linestyle() for line in ax.lines}) == 2


def test_accuracy_is_drawn_in_percent_over_seconds() -> None:
    ax = plot_accuracy({"a": [(1.0, 0.5), (2.0, 0.75)], "b": [(1.0, 0.25)]})
    assert [list(line.get_xdata()) for line in ax.lines] == [[1.0, 2.0], [1.0]]
    assert [list(line.get_ydata()) for line in ax.lines] == [[50.0, 75.0], [25.0]]
    assert "seconds" in ax.get_xlabel()


def test_styles_tell_runs_apart_without_colour() -> None:
    assert len({s.marker for s in STYLES}) == len({s.color for s in STYLES}) == 7
    assert len({s.linestyle for s in STYLES}) == 7
    assert style(8) == style(1)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        plot_sizes({})
    with pytest.raises(ValueError, match="at least one"):
        plot_accuracy({})


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_save_writes_axes_and_figures(suffix: str, tmp_path: Path) -> None:
    ax = plot_sizes(PLAN)
    for number, picture in enumerate((ax, ax.get_figure(root=True))):
        path = tmp_path / f"{number}.{suffix}"
        save(picture, path)
        assert path.stat().st_size > 1000


def test_a_picture_that_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in one of .*\.png"):
        check_picture(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match="no folder"):
        check_picture(tmp_path / "none" / "a.png")
    (tmp_path / "b.png").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        check_picture(tmp_path / "b.png")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "upsize.plot")
    with pytest.raises(ImportError, match=r'pip install "upsize\[plot\]"'):
        import upsize.plot  # noqa: F401
