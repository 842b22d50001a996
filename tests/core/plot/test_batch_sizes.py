"""plot_batch_sizes: a staircase of the batch, and sizes over the same epochs."""

from __future__ import annotations

from typing import Any

import pytest

from upsize.plot import plot_batch_sizes, plot_sizes
from upsize.schedule import Grow, Ramp

RAMP = Ramp(final_size=224, increase_by=56)
PLAN = RAMP.plan(epochs=20, samples_per_epoch=1000, batch_size=Grow(256, batch=64))
PLAIN = RAMP.plan(epochs=20, samples_per_epoch=1000, batch_size=64)


def test_the_batch_over_epochs() -> None:
    ax = plot_batch_sizes(PLAN)
    (line,) = ax.lines
    assert line.get_ydata().tolist() == [256, 112, 64, 64]
    assert line.get_xdata()[-1] == 20
    assert line.get_xdata().tolist() == plot_sizes(PLAN).lines[0].get_xdata().tolist()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "batch (images)")
    assert ax.get_legend() is None


def test_several_plans_by_name() -> None:
    ax = plot_batch_sizes({"grown": PLAN, "constant": PLAIN})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "grown",
        "constant",
    ]
    assert set(ax.lines[1].get_ydata().tolist()) == {64}
    # Both train at the same sizes in the same epochs.
    sizes = plot_sizes({"grown": PLAN, "constant": PLAIN})
    grown, constant = (line.get_xdata().tolist() for line in sizes.lines)
    assert grown == constant


def test_a_plan_without_batches_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one plan"):
        plot_batch_sizes({})
    plan = RAMP.plan(total_steps=9)
    with pytest.raises(ValueError, match="'steps' does not know its batches"):
        plot_batch_sizes({"steps": plan})
    with pytest.raises(ValueError, match="the plan does not know its batches"):
        plot_batch_sizes(plan)


@pytest.mark.parametrize("draw", [plot_batch_sizes, plot_sizes])
@pytest.mark.parametrize("given", [RAMP, {"a": PLAN, "b": RAMP}, [PLAN], None])
def test_what_is_no_plan_is_refused(draw: Any, given: Any) -> None:
    with pytest.raises(TypeError, match=r"plans must be a Plan or .* makes a plan"):
        draw(given)
