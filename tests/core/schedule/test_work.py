"""A plan takes as much work for any length: counted in lines of Python, not by a clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from upsize.schedule import Grow, MultiScale, Phases, Plan, Ramp, Schedule

_MOST = 200_000


def lines_of(work: Callable[[], object]) -> int:
    """Return how many lines are run, and stop a loop over each step."""
    count, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        assert count < _MOST, f"{frame.f_code.co_name} is too long a way"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def look_up(plan: Plan) -> None:
    total = plan.total_samples
    assert total is not None
    for step in (0, plan.total_steps // 3, plan.total_steps - 1):
        plan.size_at(step), plan.batch_at(step), plan.lr_factor(step)
        plan.epoch_at(step), plan.step_at(plan.samples_at(step))
    plan.epoch_start(1), plan.step_at(total // 3)


SCHEDULES: list[Schedule] = [
    Ramp(final_size=224),
    Ramp(final_size=224, increase_by=1),
    Phases(phases=[(0, 64), ("1/3", 100), (0.8, 224)]),
    MultiScale(sizes=(96, 224), every=5),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("batch", [64, Grow(256, batch=64, lr="sqrt")], ids=repr)
def test_a_billion_samples(schedule: Schedule, batch: int | Grow) -> None:
    def make(epochs: int, samples: int) -> Plan:
        return schedule.plan(epochs=epochs, samples_per_epoch=samples, batch_size=batch)

    short = make(10, 10**5)
    made, found = lines_of(lambda: make(10, 10**5)), lines_of(lambda: look_up(short))
    for epochs, samples in ((10, 10**8), (10**4, 10**5), (10**6, 10**3), (1, 10**9)):
        long = make(epochs, samples)
        assert long.total_samples == 10**9
        assert lines_of(lambda e=epochs, n=samples: make(e, n)) < 2 * made  # type: ignore[misc]
        assert lines_of(lambda plan=long: look_up(plan)) < 2 * found  # type: ignore[misc]


def test_the_count_finds_a_loop_over_steps() -> None:
    with pytest.raises(AssertionError, match="too long a way"):
        lines_of(lambda: [step for step in range(10**9)])  # noqa: C416
