"""What holds for every plan whose batch grows, searched for by Hypothesis."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from upsize.schedule import Grow, MultiScale, Phases, Plan, Ramp, Schedule, Size
from upsize.schedule._moved import moved


class Run(NamedTuple):
    """A plan whose batch grows, and the plan of constant batches."""

    plan: Plan
    plain: Plan
    grow: Grow
    epochs: Fraction


@st.composite
def growths(draw: st.DrawFn) -> Grow:
    batch = draw(st.integers(1, 70) | st.sampled_from([8, 16, 64]))
    more = st.integers(batch, 6 * batch)
    limit: Any = draw(more)
    if draw(st.booleans()):
        limit = draw(st.dictionaries(st.integers(8, 224), more, min_size=1, max_size=4))
    lr: Any = draw(st.sampled_from([None, "linear", "sqrt"]))
    return Grow(limit, batch=batch, lr=lr)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    if draw(st.booleans()):
        return Ramp(
            final_size=(224, draw(st.sampled_from([160, 224]))),
            initial_size=draw(st.integers(20, 100)) / 100,
            increase_by=draw(st.integers(8, 80)),
            start=draw(st.integers(0, 60)) / 100,
            finish=draw(st.integers(60, 100)) / 100,
            increase_mode=draw(st.sampled_from(["batch", "epoch"])),
        )
    if draw(st.booleans()):
        return Phases(phases=[(0, 64), ("1/3", 100), (0.8, 224)])
    before = Phases(phases=[(0, 64), ("1/3", 224)])
    return MultiScale(sizes=(96, 224), every=draw(st.integers(1, 5)), before=before)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    grow, epochs = draw(growths()), draw(st.integers(1, 12))
    samples = draw(st.integers(1, 400))
    if draw(st.booleans()):  # with drop_last
        samples = samples // grow.plain_batch() * grow.plain_batch()
        assume(samples)
    schedule = draw(schedules())
    length = {"epochs": epochs}
    if draw(st.booleans()):  # which may end within an epoch
        steps = epochs * -(-samples // grow.plain_batch())
        length = {"total_steps": draw(st.integers(1, steps))}
    made = [
        planned(schedule, samples, batch, **length)
        for batch in (grow, grow.plain_batch())
    ]
    done = made[1].epoch_at(made[1].total_steps)
    assert done is not None
    return Run(made[0], made[1], grow, done)


def planned(schedule: Schedule, samples: int, batch: int | Grow, **length: int) -> Plan:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # full size never reached
        return schedule.plan(samples_per_epoch=samples, batch_size=batch, **length)


@given(runs())
def test_every_sample_once_in_an_epoch_at_its_size(run: Run) -> None:
    """Batch by batch, by brute force: no batch crosses a resize or an epoch."""
    plan, plain, grow, epochs = run
    samples = plain.samples_per_epoch
    assert samples is not None
    # Where each sample is in the run, and the stage of the plain plan that has it.
    stage_of = [
        number
        for number, (start, stop, _) in enumerate(plain.stages)
        for _ in range(plain.samples_at(stop) - plain.samples_at(start))
    ]
    assert len(stage_of) == epochs * samples == plan.total_samples
    full, done = plan.final_size, 0
    for step in range(plan.total_steps):
        images = plan.batch_at(step)
        assert plan.samples_at(step) == done
        assert plan.step_at(done) == step
        assert plan.step_at(done + 1) == step + 1
        first, last = done, done + images - 1
        done += images
        assert images >= 1
        assert first // samples == last // samples
        assert stage_of[first] == stage_of[last]
        size, stage = plan.size_at(step), plain.stages[stage_of[first]]
        assert size in stage.sizes
        largest = stage.sizes[-1]
        assert images * math.prod(largest) <= grow.plain_batch() * math.prod(full)
        assert images <= max(grow.images_at(largest, full=full), grow.plain_batch())
        assert plan.lr_factor(step) >= 1
        if size == full:
            assert images <= grow.plain_batch()
            assert plan.lr_factor(step) == 1
    assert done == plan.total_samples == plan.samples_at(plan.total_steps)
    for epoch in range(math.ceil(epochs) + 1):
        assert plan.samples_at(plan.epoch_start(epoch)) == epoch * samples


@given(runs())
def test_stages_are_those_of_the_plain_plan(run: Run) -> None:
    plan, plain, grow, epochs = run
    assert [each.size for each in plan.stages] == [each.size for each in plain.stages]
    for mine, theirs in zip(plan.stages, plain.stages, strict=True):
        assert plan.samples_at(mine.start) == plain.samples_at(theirs.start)
        assert plan.epoch_at(mine.start) == plain.epoch_at(theirs.start)
    assert plan.total_steps <= plain.total_steps
    assert plan.epoch_at(plan.total_steps) == epochs
    assert plan.epochs == plain.epochs == float(epochs)
    assert plan.pixel_share == plain.pixel_share
    assert sum(plan.steps_by_size.values()) == plan.total_steps
    if plan != plain:
        assert (plan.plain, plan.grow) == (plain, grow)
    if plan.steps_per_epoch is not None:
        numbers = range(int(epochs) + 1)
        starts = [plan.epoch_start(epoch) for epoch in numbers]
        assert starts == [epoch * plan.steps_per_epoch for epoch in numbers]


@given(runs())
def test_no_batch_is_much_smaller_than_a_plain_one(run: Run) -> None:
    """But where the plain run has such a batch, too: at the end of an epoch."""
    plan, plain, grow, _ = run
    least = min(map(plain.batch_at, range(plain.total_steps)))
    smallest = min(map(plan.batch_at, range(plan.total_steps)))
    assert smallest >= min(least, grow.plain_batch() // 2)


@given(runs())
def test_json_there_and_back(run: Run) -> None:
    again = Plan.model_validate_json(run.plan.model_dump_json())
    assert again == run.plan
    assert hash(again) == hash(run.plan)
    assert again.total_samples == run.plan.total_samples


@given(runs())
def test_a_limit_at_the_batch_is_the_plain_plan(run: Run) -> None:
    batch = run.grow.plain_batch()
    assert run.plain.growing(Grow(batch, batch=batch, lr=run.grow.lr)) == run.plain


@given(runs(), st.integers(0, 30))
def test_after_the_end_the_last_stage_continues(run: Run, more: int) -> None:
    plan = run.plan
    samples, step = plan.samples_per_epoch, plan.total_steps + more
    assert samples is not None
    last = (plan.batch_sizes or ())[-1]
    assert 1 <= plan.batch_at(step) <= last
    assert plan.samples_at(step + 1) == plan.samples_at(step) + plan.batch_at(step)
    later = math.ceil(run.epochs) + more
    assert plan.samples_at(plan.epoch_start(later)) == later * samples


@settings(max_examples=50)
@given(runs(), st.integers(1, 60), st.data())
def test_another_batch_or_world_size_continues_at_the_same_share(
    run: Run, batch: int, data: st.DataObject
) -> None:
    """The first step that begins no earlier in its epoch, and not one step later."""
    saved, samples = run.plan, data.draw(st.integers(1, 400))
    epochs = math.ceil(run.epochs)
    other = planned(Ramp(final_size=224), samples, batch, epochs=epochs)
    for plan in (other, other.growing(Grow(4 * batch, batch=batch))):
        step = data.draw(st.integers(0, saved.total_steps))
        now = moved(step, saved, plan)
        share = saved.epoch_at(step)
        assert isinstance(share, Fraction)
        before, after = plan.epoch_at(max(now - 1, 0)), plan.epoch_at(now)
        assert before is not None
        assert after is not None
        assert after >= share
        assert now == 0 or before < share
        if epochs == run.epochs:
            assert moved(saved.total_steps, saved, plan) == plan.total_steps
    assert moved(step, saved, saved) == step


def size_at_share(plain: Plan, epochs: Fraction) -> Size:
    """Return the size at which a plan of constant batches trains a sample."""
    samples, batch = plain.samples_per_epoch, plain.batch_size
    assert samples is not None
    assert batch is not None
    epoch, sample = divmod(max(math.floor(epochs * samples), 0), samples)
    return plain.size_at(plain.epoch_start(epoch) + sample // batch)


# Two runs that are drawn apart seldom have one full size.
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(runs(), runs())
def test_never_below_at_the_same_share(saved: Run, mine: Run) -> None:
    """Up to a batch of the new run, since its sizes change between batches."""
    assume(saved.plan.final_size == mine.plan.final_size)
    for stage in (*saved.plan.stages, *mine.plan.stages):
        assume(isinstance(stage.size, Size))
    assume(saved.plain.total_steps != mine.plain.total_steps)
    plan = mine.plan.never_below(saved.plan)
    assert plan.total_samples == mine.plan.total_samples
    assert plan.grow in (mine.grow, None)
    samples = plan.samples_per_epoch
    assert samples is not None
    before = Size(1, 1)
    for step in range(plan.total_steps):
        size, share = plan.size_at(step), plan.epoch_at(step)
        assert share is not None
        earlier = share - Fraction(mine.grow.plain_batch(), samples)
        theirs = size_at_share(saved.plain, earlier)
        own = size_at_share(mine.plain, share)
        for least in (before, theirs, own):
            assert size.height >= least.height
            assert size.width >= least.width
        before = size


def test_a_plan_of_any_length_is_quick() -> None:
    """Counted in segments, not by a clock: three of each stage at most."""
    ramp, grow = Ramp(final_size=224, increase_by=1), Grow(256, batch=64)
    plan = ramp.plan(epochs=20_000, samples_per_epoch=50_000_000, batch_size=grow)
    assert plan.total_samples == 10**12
    assert len(plan._stretches._segments) <= 3 * len(plan.stages) + 2
    for step in (0, 10**9, plan.total_steps - 1):
        assert plan.step_at(plan.samples_at(step)) == step
