"""What holds for every schedule and every run, searched for by Hypothesis."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from upsize.schedule import Linear, Phases, Plan, Ramp
from upsize.schedule._moment import position
from upsize.schedule._run import RunLength

shares = st.integers(0, 100).map(lambda n: n / 100)
moments = st.one_of(
    shares,
    st.integers(0, 12),
    st.integers(0, 300).map("{}st".format),
    st.fractions(0, 1, max_denominator=30).map(
        lambda f: f"{f.numerator}/{f.denominator}"
    ),
)
multiples = st.sampled_from([1, 2, 3, 8, 32])
runs = st.tuples(st.integers(1, 12), st.integers(1, 40))


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    return draw(st.integers(2, 320)), draw(st.integers(2, 320))


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Ramp | Linear, tuple[int, int]]:
    multiple = draw(multiples)
    final = tuple(multiple * max(1, side // multiple) for side in draw(sizes()))
    fields: dict[str, Any] = {
        "initial_size": draw(st.integers(1, 100)) / 100,
        "start": draw(moments),
        "finish": draw(moments),
        "multiple_of": multiple,
        "increase_mode": draw(st.sampled_from(["batch", "epoch"])),
    }
    if draw(st.booleans()):
        kind: type[Ramp | Linear] = Linear
    else:
        kind = Ramp
        fields["increase_by"] = draw(st.integers(1, 80))
        fields["max_sizes"] = draw(st.none() | st.integers(2, 12))
    try:
        return kind(**fields), final  # type: ignore[return-value]
    except ValueError:
        assume(False)
        raise


def planned(schedule: Any, final: Any, epochs: int, steps: int) -> Plan:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # full size never reached
        try:
            plan: Plan = schedule.plan(
                epochs=epochs, steps_per_epoch=steps, final_size=final
            )
        except ValueError:
            assume(False)
            raise
    return plan


@given(schedules(), runs)
def test_every_plan(drawn: tuple[Any, Any], run: tuple[int, int]) -> None:
    schedule, final = drawn
    plan = planned(schedule, final, *run)
    multiple = schedule.multiple_of

    assert plan.total_steps == run[0] * run[1] == plan.stages[-1].stop
    assert plan.stages[0].start == 0
    for before, after in pairwise(plan.stages):
        assert before.stop == after.start
        assert before.size.height <= after.size.height
        assert before.size.width <= after.size.width
        assert before.size != after.size
    for stage in plan.stages:
        assert stage.start < stage.stop
        assert stage.size.height % multiple == stage.size.width % multiple == 0
        assert plan.size_at(stage.start) == plan.size_at(stage.stop - 1) == stage.size
        if schedule.increase_mode == "epoch":
            assert stage.start % run[1] == 0
    if getattr(schedule, "max_sizes", None) is not None:
        assert len(plan.sizes) <= schedule.max_sizes

    length = RunLength(plan.total_steps, plan.steps_per_epoch)
    start = position("start", schedule.start, length)
    finish = position("finish", schedule.finish, length)
    if schedule.increase_mode == "epoch":
        unit = run[1] if isinstance(schedule, Linear) else 1
        finish = math.ceil(finish / unit) * Fraction(unit)
    if math.ceil(finish) < plan.total_steps:
        assert plan.stages[-1].size == final
    if start > 0 and (
        isinstance(schedule, Linear) or schedule.increase_mode == "batch"
    ):
        assert plan.sizes[0] == schedule._initial(plan.final_size)
    assert 0 < plan.pixel_share <= 1


@given(schedules(), runs)
def test_json_round_trip(drawn: tuple[Any, Any], run: tuple[int, int]) -> None:
    schedule, final = drawn
    plan = planned(schedule, final, *run)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert type(schedule).model_validate_json(schedule.model_dump_json()) == schedule


@given(schedules(), runs, st.integers(1, 12))
def test_never_below(drawn: tuple[Any, Any], run: tuple[int, int], epochs: int) -> None:
    schedule, final = drawn
    old = planned(schedule, final, *run)
    fresh = planned(schedule, final, epochs, run[1])
    new = fresh.never_below(old)
    assert new.total_steps == fresh.total_steps
    for stage in (*old.stages, *fresh.stages, *new.stages):
        for step in (stage.start, stage.stop - 1):
            sizes = old.size_at(step), fresh.size_at(step)
            if step < new.total_steps:
                assert new.size_at(step) == max(sizes)
    reached = [s.start for s in fresh.stages if s.size == fresh.final_size]
    assert all(new.size_at(step) == fresh.final_size for step in reached)


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # half are no shares
@given(schedules(), runs)
def test_the_size_of_a_step_is_that_of_its_share(
    drawn: tuple[Any, Any], run: tuple[int, int]
) -> None:
    """The same schedule on a run of ten times the steps: each tenth step agrees."""
    schedule, final = drawn
    assume(schedule.increase_mode == "batch")
    assume(not any(str(m).endswith("st") for m in (schedule.start, schedule.finish)))
    small = planned(schedule, final, *run)
    large = planned(schedule, final, run[0], 10 * run[1])
    for step in range(small.total_steps):
        assert small.size_at(step) == large.size_at(10 * step)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), runs)
def test_phases(sides: list[int], run: tuple[int, int]) -> None:
    sides = sorted(sides)
    moments = [f"{k}/{len(sides)}" for k in range(len(sides))]
    schedule = Phases(phases=list(zip(moments, sides, strict=True)))
    plan = planned(schedule, None, *run)
    for step in range(plan.total_steps):
        k = step * len(sides) // plan.total_steps
        assert plan.size_at(step).height == sides[k]


@given(schedules(), runs, runs, st.integers(0, 500))
def test_never_below_with_another_batch_size(
    drawn: tuple[Any, Any], run: tuple[int, int], other: tuple[int, int], done: int
) -> None:
    """After so many steps of the saved run, the new one resumes at the same epoch."""
    schedule, final = drawn
    saved, mine = planned(schedule, final, *run), planned(schedule, final, *other)
    new = mine.never_below(saved)
    sizes = [new.size_at(step) for step in range(new.total_steps)]
    for before, after in pairwise(sizes):
        assert before.height <= after.height
        assert before.width <= after.width
    for step, size in enumerate(sizes):
        assert size.height >= mine.size_at(step).height
        assert (size == final) or (mine.size_at(step) != final)
    done = 1 + done % saved.total_steps
    at = -(-done * other[1] // run[1])
    if at < new.total_steps:
        assert sizes[at].height >= saved.size_at(done - 1).height
        assert sizes[at].width >= saved.size_at(done - 1).width
    if run[0] == other[0] and schedule.increase_mode == "batch":
        shares = isinstance(schedule.start, float) and isinstance(
            schedule.finish, float
        )
        assert not shares or isinstance(schedule, Linear) or new == mine
