"""Resumed with other steps per epoch: the same share, and full size in good time."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import chain
from typing import Any

import pytest
import torch

from upsize.loop import ProgressiveResize
from upsize.run import BatchCounter, Options, Position, TrainingRun
from upsize.schedule import MultiScale, Plan, Ramp, Size

RAMP = Ramp(final_size=64, increase_by=8)
pytestmark = pytest.mark.filterwarnings("ignore:the saved run has")

# Steps per epoch before and after; as with twice or half the processes, and others.
RATIOS = [(20, 10), (10, 20), (20, 7), (7, 20), (15, 10), (3, 20)]


def first_full(plan: Plan) -> int:
    return next(stage.start for stage in plan.stages if stage.size == plan.final_size)


def counter(plan: Plan, epoch: int = 0) -> BatchCounter:
    """A framework's counter, restored to the beginning of an epoch."""
    steps = plan.steps_per_epoch
    assert steps is not None
    made = BatchCounter(plan.total_steps, 1, steps)
    made.load(Position(epoch * steps, epoch_step=epoch * steps))
    return made


def run_of(clock: BatchCounter, **more: Any) -> TrainingRun:
    return TrainingRun(Options(RAMP, verbose=False), clock, **more)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.6, 0.9])
def test_a_run_of_fixed_steps(ratio: tuple[int, int], share: float) -> None:
    """As with max_steps: what was full size at once, and to the end."""
    was, now = (RAMP.plan(total_steps=400, steps_per_epoch=each) for each in ratio)
    assert now.never_below(was).stages == now.stages
    done = int(400 * share)
    clock = BatchCounter(400, 1, ratio[1])
    clock.load(Position(done, epoch_step=done))
    state = run_of(counter(was)).state_dict()
    run = run_of(clock, by_steps=True)
    run.load_state_dict(state)
    for step in range(done, 400):
        assert run.size_for(None) == was.size_at(step)
        clock.count()


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("share", [Fraction(1, 5), Fraction(3, 5), Fraction(9, 10)])
def test_steps_that_follow_from_epochs_but_end_the_run(
    ratio: tuple[int, int], share: Fraction
) -> None:
    """As in the transformers Trainer: it continues at its step, not at its epoch."""
    was, now = (RAMP.plan(epochs=20, steps_per_epoch=each) for each in ratio)
    done = int(was.total_steps * share)
    clock = BatchCounter(now.total_steps, 1, ratio[1])
    clock.load(Position(done, epoch_step=done))
    run = run_of(clock, by_steps=True)
    run.load_state_dict(run_of(counter(was)).state_dict())
    reached = was.size_at(done)
    for step in range(done, now.total_steps):
        assert run.size_for(None) == max(reached, now.size_at(step))
        clock.count()


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("epoch", [3, 11, 13, 17])
def test_a_run_of_epochs(ratio: tuple[int, int], epoch: int) -> None:
    was, now = (RAMP.plan(epochs=20, steps_per_epoch=each) for each in ratio)
    clock = counter(now)
    # The framework's counter has the steps that were really made.
    clock.load(Position(epoch * ratio[0], epoch_step=epoch * ratio[0]))
    run = run_of(clock)
    run.load_state_dict(run_of(counter(was)).state_dict())
    for step in range(epoch * ratio[1], now.total_steps):
        assert run.size_for(None) == now.size_at(step)
        clock.count()


@pytest.mark.parametrize("by_steps", [True, False])
def test_twice_in_a_row(by_steps: bool) -> None:
    """Each resumed run, and the state that it saves, resumes again."""
    sizes: list[Size] = []
    state, done = None, 0
    for steps in (20, 10, 10, 30, 7):
        clock = BatchCounter(400 if by_steps else 20 * steps, 1, steps)
        clock.load(Position(done, epoch_step=done))
        run = run_of(clock, by_steps=by_steps)
        if state is not None:
            run.load_state_dict(state)
        for _ in range(80 if by_steps else 4 * steps):
            sizes.append(run.size_for(None))
            clock.count()
        done, state = clock.step(), json.loads(json.dumps(run.state_dict()))
    assert sizes == sorted(sizes)
    assert run.plan is not None
    if by_steps:
        plan = RAMP.plan(total_steps=400)
        assert sizes == [plan.size_at(step) for step in range(400)]
    else:
        parts = [
            [RAMP.plan(epochs=20, steps_per_epoch=n).size_at(s) for s in steps]
            for n, first in ((20, 0), (10, 4), (10, 8), (30, 12), (7, 16))
            for steps in [range(first * n, (first + 4) * n)]
        ]
        assert sizes == list(chain(*parts))


def test_twice_as_many_epochs_of_half_the_steps_never_shrink() -> None:
    """The same number of steps, but the run continues at its epoch."""
    was = RAMP.plan(epochs=10, steps_per_epoch=20)
    resize = ProgressiveResize(RAMP, epochs=20, steps_per_epoch=10)
    saved = ProgressiveResize(RAMP, epochs=10, steps_per_epoch=20)
    for _ in range(120):
        saved.step()
    resize.load_state_dict(saved.state_dict())
    assert resize.optimizer_steps == 60
    assert resize.size == was.size_at(120) > RAMP.plan(total_steps=200).size_at(60)
    assert first_full(resize.plan) == 150


class TestLoops:
    @pytest.mark.parametrize("ratio", RATIOS)
    @pytest.mark.parametrize("done", [85, 240, 300])
    def test_of_fixed_steps(self, ratio: tuple[int, int], done: int) -> None:
        before, after = (
            ProgressiveResize(RAMP, total_steps=400, steps_per_epoch=each)
            for each in ratio
        )
        for _ in range(done):
            before.step()
        after.load_state_dict(before.state_dict())
        again = ProgressiveResize(RAMP, total_steps=400, steps_per_epoch=ratio[1])
        again.load_state_dict(json.loads(json.dumps(after.state_dict())))
        for resize in (after, again):
            assert resize.optimizer_steps == done
            seen = []
            while resize.optimizer_steps < 400:
                seen.append(resize(torch.zeros(1, 1, 64, 64)).shape[-1])
                resize.step()
            assert seen == [before.plan.size_at(n).width for n in range(done, 400)]

    @pytest.mark.parametrize("ratio", RATIOS)
    def test_of_epochs_or_as_many_steps(self, ratio: tuple[int, int]) -> None:
        for give in ("epochs", "total_steps"):
            before, after = (
                ProgressiveResize(
                    RAMP, steps_per_epoch=n,
                    **{give: 20 * (n if give == "total_steps" else 1)},
                )
                for n in ratio
            )  # fmt: skip
            for _ in range(12 * ratio[0]):
                before.step()
            after.load_state_dict(before.state_dict())
            assert after.optimizer_steps == 12 * ratio[1]
            assert after.plan.stages == RAMP.plan(total_steps=20 * ratio[1]).stages

    def test_a_window_and_the_rest_of_an_epoch(self) -> None:
        before = ProgressiveResize(
            RAMP, total_steps=100, steps_per_epoch=20, accumulate=2
        )
        for _ in range(30):
            before.step()
        after = ProgressiveResize(RAMP, total_steps=100, steps_per_epoch=10)
        after.load_state_dict(before.state_dict())
        state = after.state_dict()
        assert (state["step"], state["batch"], state["epoch_step"]) == (15, 5, 10)


def test_random_sizes() -> None:
    random = MultiScale(sizes=(32, 48, 64), seed=1, final_size=64)
    before, after = (
        ProgressiveResize(random, total_steps=100, steps_per_epoch=n) for n in (20, 10)
    )
    for _ in range(40):
        before.step()
    after.load_state_dict(before.state_dict())
    assert [after.plan.size_at(n) for n in range(40, 100)] == [
        before.plan.size_at(n) for n in range(40, 100)
    ]


def test_of_as_many_steps_the_epochs_are_named() -> None:
    saved = ProgressiveResize(RAMP, total_steps=400, steps_per_epoch=20)
    with pytest.warns(
        UserWarning, match="saved run has epochs of 20 steps and this one of 10:"
    ):
        ProgressiveResize(RAMP, total_steps=400, steps_per_epoch=10).load_state_dict(
            saved.state_dict()
        )
