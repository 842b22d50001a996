"""Resumed with another global batch or number of processes: the same share of samples.

The plans know their samples, so a share is exact, however short the last batch of an
epoch is.
"""

from __future__ import annotations

import json
import math
import warnings
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from upsize.loop import ProgressiveResize
from upsize.run import BatchCounter
from upsize.run._loop_resume import moved_position
from upsize.run._position import Position
from upsize.run._resume import never_shrinking, resumed
from upsize.run._state import LoopState, State
from upsize.schedule import Grow, Phases, Plan, Ramp, Size
from upsize.schedule._moved import moved

RAMP = Ramp(final_size=64, increase_by=8)
pytestmark = pytest.mark.filterwarnings("ignore:the saved run has")
#: Images per epoch of a process, and in a batch: 1000 images, on 1, 2, 3 and 7 processes.
RUNS = [(1000, 64), (1000, 48), (500, 64), (334, 32), (143, 10), (1000, 1000)]


def plan(samples: int, batch: int | Grow, epochs: int = 10) -> Plan:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # full size never reached
        return RAMP.plan(epochs=epochs, samples_per_epoch=samples, batch_size=batch)


def counter(run: Plan, accumulate: int = 1) -> BatchCounter:
    assert run.samples_per_epoch is not None
    assert run.batch_size is not None
    batches = -(-run.samples_per_epoch * accumulate // run.batch_size)
    return BatchCounter(run.total_steps, accumulate, batches, by_epochs=True)


def state(run: Plan, step: int) -> LoopState:
    """The state of a loop without accumulation after some steps."""
    epochs = run.epoch_at(step)
    assert epochs is not None
    start = run.epoch_start(math.floor(epochs))
    fields = {"batch": step - start, "window": 0, "epoch_step": start}
    return LoopState(
        unit="optimizer steps", plan=run, accumulate=1, step=step, **fields
    )


@pytest.mark.parametrize("was", RUNS)
@pytest.mark.parametrize("now", RUNS)
@pytest.mark.parametrize("share", [0.2, 0.47, 0.55, 0.71, 0.999])
def test_a_loop_continues_at_the_same_share(
    was: tuple[int, int], now: tuple[int, int], share: float
) -> None:
    saved, mine = plan(*was), plan(*now)
    done = int(saved.total_steps * share)
    position = moved_position(state(saved, done), mine, counter(mine), by_steps=False)
    before, after = saved.epoch_at(done), mine.epoch_at(position.step)
    assert before is not None
    assert after is not None
    # The first batch of the epoch that has not been trained on.
    assert 0 <= after - before < Fraction(now[1], now[0])
    assert position.epoch_step == mine.epoch_start(math.floor(after))
    assert position.batch == position.step - position.epoch_step
    assert position.batch < counter(mine).batches  # type: ignore[operator]


def test_a_short_last_batch_counts_by_its_images() -> None:
    """By steps, 3 of 4 were 75 % of an epoch, although 90 of 100 images were done."""
    saved, mine = plan(100, 30), plan(100, 10)
    position = moved_position(state(saved, 3), mine, counter(mine), by_steps=False)
    assert position == Position(9, 9)


def test_of_the_same_batches_the_position_is_the_saved_one() -> None:
    saved = state(plan(100, 30), 7)
    for longer in (10, 20):
        mine = plan(100, 30, longer)
        found = moved_position(saved, mine, counter(mine), by_steps=False)
        assert found == saved.position


def test_with_accumulation_the_share_is_that_of_the_optimizer_steps() -> None:
    saved, mine = plan(96, 24), plan(96, 16)
    clock = counter(mine, accumulate=2)
    found = moved_position(state(saved, 6), mine, clock, by_steps=False)
    assert found == Position(9, 6, 0, 6)


def test_without_samples_in_one_of_them_steps_are_compared() -> None:
    mine = plan(100, 10)
    saved = RAMP.plan(epochs=10, steps_per_epoch=4)
    position = moved_position(state(saved, 3), mine, counter(mine), by_steps=False)
    assert position == Position(8, 8)
    assert moved(8, mine, saved) == 4


plans = st.builds(
    lambda samples, batch, grow, epochs: plan(
        samples, Grow(4 * batch, batch=batch) if grow else batch, epochs
    ),
    samples=st.integers(1, 300),
    batch=st.integers(1, 40),
    grow=st.booleans(),
    epochs=st.integers(1, 8),
)


@settings(deadline=None)
@given(plans, plans, st.data())
def test_sizes_never_shrink_and_the_run_finishes_as_planned(
    saved: Plan, mine: Plan, data: st.DataObject
) -> None:
    done = data.draw(st.integers(0, saved.total_steps))
    unit = "optimizer steps"
    run = resumed(State(unit=unit, plan=saved), mine, unit, RAMP)
    now = moved(done, saved, run)
    assume(now < run.total_steps)
    before, after = saved.epoch_at(done), run.epoch_at(now)
    assert before is not None
    assert after is not None
    assert after >= before
    assert now == 0 or run.epoch_at(now - 1) < before  # type: ignore[operator]
    run = never_shrinking(run, saved, done, now)
    assert run.total_samples == mine.total_samples
    sizes = [run.size_at(step) for step in range(now, run.total_steps)]
    assert sizes == sorted(sizes)
    assert sizes[0] >= saved.size_at(done)
    assert run.reaches_full_size or not mine.reaches_full_size
    full = [each for each in mine.stages if each.size == mine.final_size]
    for stage in full:
        # In samples, since the steps of a batch that grows are others.
        done_then = mine.samples_at(stage.start)
        assert run.size_at(run.step_at(done_then)) == mine.final_size


def test_as_many_steps_in_other_epochs_do_not_shrink_either() -> None:
    """Epochs place the run, and the plans were compared at the same steps."""
    saved, mine, unit = plan(50, Grow(28, batch=7), 1), plan(1, 1, 8), "optimizer steps"
    assert saved.plain is not None
    assert saved.plain.total_steps == mine.total_steps
    with pytest.warns(UserWarning, match="the larger of both plans' sizes"):
        run = resumed(State(unit=unit, plan=saved), mine, unit, RAMP)
    now = moved(1, saved, run)
    assert run.size_at(now) < saved.size_at(1)
    run = never_shrinking(run, saved, 1, now)
    sizes = [run.size_at(step) for step in range(now, run.total_steps)]
    assert sizes == sorted(sizes)
    assert sizes[0] == saved.size_at(1)


def test_a_saved_size_may_be_below_the_first_of_the_new_run() -> None:
    """A share that lies between two steps is compared with the larger size."""
    saved, mine, unit = plan(3, 1, 1), plan(4, Grow(12, batch=3), 2), "optimizer steps"
    run = resumed(State(unit=unit, plan=saved), mine, unit, RAMP)
    now = moved(1, saved, run)
    assert saved.size_at(1) < run.size_at(0)
    assert never_shrinking(run, saved, 1, now) == run


def test_another_limit_continues_at_the_same_share_without_a_warning() -> None:
    was = plan(1000, Grow(256, batch=64))
    mine = plan(1000, Grow(128, batch=64))
    assert was.total_steps != mine.total_steps
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = resumed(State(unit="batches", plan=was), mine, "batches", RAMP)
        assert found == mine
        same = resumed(State(unit="batches", plan=was), was, "batches", RAMP)
        plain = resumed(
            State(unit="batches", plan=was), plan(1000, 64), "batches", RAMP
        )
    assert same == was
    assert plain == was.plain


def test_a_run_that_was_resumed_is_resumed_again() -> None:
    grow = Grow(256, batch=64)
    longer = plan(1000, grow, 20).never_below(plan(1000, grow))
    again = resumed(State(unit="batches", plan=longer), longer, "batches", RAMP)
    assert again == longer
    mine = plan(1000, grow, 20)
    assert resumed(State(unit="batches", plan=longer), mine, "batches", RAMP) == longer


def test_a_forged_grown_plan_is_refused() -> None:
    mine = plan(1000, Grow(256, batch=64))
    assert mine.plain is not None
    other = Phases(phases=[(0, 32), ("50%", 64)]).plan(
        epochs=10, samples_per_epoch=1000, batch_size=64
    )
    forged = Plan(**dict(mine.plain) | {"stages": other.stages})
    saved = State(unit="batches", plan=forged.growing(Grow(256, batch=64)))
    with pytest.raises(ValueError, match="its stages are not those of its schedule"):
        resumed(saved, mine, "batches", RAMP)


def loop(samples: int, batch: int) -> ProgressiveResize:
    return ProgressiveResize(
        RAMP, epochs=10, samples_per_epoch=samples, batch_size=batch
    )


@pytest.mark.parametrize("now", [(100, 10), (100, 45), (50, 30), (34, 10)])
@pytest.mark.parametrize("done", [23, 28, 39])
def test_a_loop_of_another_batch_goes_on_at_its_share(
    done: int, now: tuple[int, int]
) -> None:
    """To the end: the rest of its epoch, the whole ones, and full size in good time."""
    saved, resumed = loop(100, 30), loop(*now)
    for _ in range(done):
        saved.step()
    resumed.load_state_dict(json.loads(json.dumps(saved.state_dict())))
    plan, share = resumed.plan, saved.plan.epoch_at(done)
    assert share is not None
    after = plan.epoch_at(resumed.optimizer_steps)
    assert after is not None
    assert 0 <= after - share < Fraction(now[1], now[0])
    sizes = [saved.size]
    for epoch in range(math.floor(after), 10):
        left = plan.epoch_start(epoch + 1) - resumed.optimizer_steps
        loader = [torch.rand(1, 3, 64, 64)] * left
        sizes += [Size(*images.shape[-2:]) for images in resumed.batches(loader)]
    assert resumed.optimizer_steps == plan.total_steps
    assert sizes == sorted(sizes)
    own = RAMP.plan(epochs=10, samples_per_epoch=now[0], batch_size=now[1])
    full = own.total_steps - max(own.stages[-1].start, own.total_steps - len(sizes) + 1)
    assert sizes[len(sizes) - full :] == [Size(64, 64)] * full
