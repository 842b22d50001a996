"""plot_sizes: a staircase for each plan."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from tests.core.plot.canvas import canvas_of

from upsize.plot import STYLES, plot_sizes
from upsize.schedule import MultiScale, Ramp

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


def test_the_staircases_are_where_the_plans_are() -> None:
    plans = {"a": PLAN, "b": STEPS}
    ax = plot_sizes(plans)
    ax.set_ylim(0, 120)  # room to look at above the largest
    canvas = canvas_of(ax)
    for plan, each in zip(plans.values(), STYLES, strict=False):
        for start, stop, _ in plan.stages:
            # Not at its ends, where the line rises.
            for share in 0.25, 0.5, 0.75:
                step = start + share * (stop - start)
                size = max(plan.size_at(int(step)))
                assert canvas.shows(ax, step, size, each.color, radius=4)
                for off in size - 8, size + 8:
                    assert not canvas.shows(ax, step, off, each.color)


def test_random_sizes_have_a_band() -> None:
    schedule = MultiScale(final_size=64, sizes=[32, 48, 64], every=10, finish=0.5)
    plan = schedule.plan(total_steps=80)
    ax = plot_sizes(plan)
    canvas = canvas_of(ax)
    (tinted,) = canvas.around(ax, 2.5, 40)
    (white,) = canvas.around(ax, 62.5, 40)
    for step in range(5, 80, 10):
        size = max(plan.size_at(step))
        assert canvas.shows(ax, step, size, STYLES[0].color)
    assert white == pytest.approx([1, 1, 1], abs=0.02)
    assert tinted[0] < 0.9 < tinted[2]  # blue shines through


def test_many_draws_are_a_band_without_a_line() -> None:
    schedule = MultiScale(final_size=64, sizes=[32, 64], every=1, finish=0.5)
    ax = plot_sizes(schedule.plan(total_steps=2000))
    canvas = canvas_of(ax)
    (tinted,) = canvas.around(ax, 490, 45)
    assert tinted[0] < 0.9 < tinted[2]
    assert not canvas.shows(ax, 490, 45, STYLES[0].color, radius=8)
    assert canvas.shows(ax, 1500, 64, STYLES[0].color)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        plot_sizes({})
