"""plot_compare: a bar for each plan, a part for each size."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure
from tests.core.plot.canvas import canvas_of

from upsize.plot import plot_compare
from upsize.schedule import Grow, MultiScale, Phases, Plan, Ramp, presets

HALF = Phases(phases=[(0, 32), (0.5, 64)]).plan(total_steps=80)
FULL = Phases(phases=[(0, 64)]).plan(total_steps=80)


def bars(plan: Plan) -> list[tuple[float, float]]:
    ax = plot_compare({"plan": plan})
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]


def test_the_parts_are_the_pixels_at_each_size() -> None:
    # Half of the steps at a quarter of the pixels: an eighth of what full size takes.
    assert bars(HALF) == [(0, 12.5), (12.5, 62.5)]
    assert bars(FULL) == [(0, 100)]


@pytest.mark.parametrize(
    "schedule",
    [
        Ramp(final_size=(64, 96), increase_by=16),
        presets.composer(final_size=224),
        presets.dawnbench(1),
        MultiScale(final_size=64, sizes=[32, 48, 64], every=5, finish=0.9),
    ],
)
def test_the_bar_ends_at_the_share_of_pixels(schedule: Ramp) -> None:
    plan = schedule.plan(epochs=35, steps_per_epoch=10)
    parts = bars(plan)
    assert len(parts) == len({size for s in plan.stages for size in s.sizes})
    assert parts[-1][1] == pytest.approx(100 * plan.pixel_share)
    assert all(a[1] == pytest.approx(b[0]) for a, b in pairwise(parts))


def test_what_is_saved_is_written_beside_the_bar() -> None:
    ax = plot_compare({"half": HALF, "full": FULL})
    said = [text.get_text() for text in ax.texts]
    assert said == ["37.5 % saved", "0.0 % saved"]
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["half", "full"]


def test_the_pixels_of_the_picture() -> None:
    ramp = Ramp(final_size=64, increase_by=1, initial_size=32).plan(total_steps=80)
    figure = Figure(figsize=(8, 4), layout="constrained")
    ax = plot_compare({"half": HALF, "ramp": ramp, "full": FULL}, figure.subplots())
    canvas = canvas_of(ax)
    small, large = (np.array(colormaps["cividis"](place)[:3]) for place in (0.0, 1.0))

    def seen(x: float, y: float) -> np.ndarray:
        (color,) = canvas.around(ax, x, y)
        return color

    # From the top: the first plan is row 0 of inverted axes.
    assert ax.yaxis_inverted()
    assert seen(6, 0) == pytest.approx(small, abs=0.02)
    assert seen(30, 0) == pytest.approx(large, abs=0.02)
    assert seen(98, 0) == pytest.approx(np.ones(3), abs=0.02)
    assert seen(98, 2) == pytest.approx(large, abs=0.02)
    assert seen(50, 0.45) == pytest.approx(np.ones(3), abs=0.02)  # between two bars
    assert seen(100, 0.5) == pytest.approx(np.zeros(3), abs=0.3)  # where full size ends
    # In grey, larger is lighter throughout.
    end = 100 * ramp.pixel_share
    lightness = [float(seen(end * n / 50, 1).mean()) for n in range(1, 50)]
    assert lightness == sorted(lightness)
    assert len(set(lightness)) > 10
    (scale,) = (each for each in figure.axes if each is not ax)
    assert scale.get_ylim() == (32, 64)
    assert "pixels" in scale.get_ylabel()


def test_full_sizes_that_differ_are_each_their_own() -> None:
    other = Phases(phases=[(0, 64), (0.5, 128)]).plan(total_steps=80)
    ax = plot_compare({"a": HALF, "b": other})
    ends = [math.fsum(b.get_width() for b in ax.patches[n : n + 2]) for n in (0, 2)]
    assert ends == [62.5, 62.5]
    assert len({bar.get_facecolor() for bar in ax.patches}) == 3


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        plot_compare({})


def test_a_batch_that_grows_trains_on_the_same_pixels() -> None:
    """Its few steps at small sizes hold as many images."""
    plan = Ramp(final_size=224, increase_by=56).plan(
        epochs=20, samples_per_epoch=1000, batch_size=Grow(256, batch=64)
    )
    assert plan.plain is not None
    assert bars(plan) == bars(plan.plain)
    assert bars(plan)[-1][1] == pytest.approx(100 * plan.pixel_share)
