"""The steps and samples of epochs that a run continues with other batches."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
)

from upsize.run import Options, TrainingRun
from upsize.run._epoch_samples import epoch_samples, plan_samples
from upsize.run._epoch_steps import EpochSteps, ResumedEpochs
from upsize.run._position import Position, rest_of
from upsize.schedule import Phases, Plan, Ramp

RAMP = Ramp(final_size=64, increase_by=8)
DATA: Any = range(22)


class Epochs:
    """The counter of a framework with epochs of its own."""

    unit = "optimizer steps"

    def __init__(self, epochs: int, each: int) -> None:
        self.total_steps, self.steps_per_epoch = epochs * each, each
        self.epoch, self.batch, self.each, self.done = 0, 0, each, 0

    def step(self) -> int:
        return self.done

    def ahead(self, batches: int | None) -> Any:
        return iter(range(self.done, self.done + (batches or self.each)))

    def epoch_steps(self) -> EpochSteps:
        first = self.epoch * self.each
        return EpochSteps(first, first + self.each, self.batch == 0)

    def train(self, run: TrainingRun, batches: int) -> list[int]:
        """Train on the batches of an epoch, or of its rest."""
        sizes = []
        ahead = [size.width for size in run.sizes_ahead(batches)]
        for _ in range(batches):
            sizes.append(run.size_for(None).width)
            self.batch, self.done = self.batch + 1, self.done + 1
        self.batch, self.epoch = 0, self.epoch + 1
        assert ahead == sizes
        return sizes


def resumed(state: Any, counter: Epochs, schedule: Any = RAMP) -> TrainingRun:
    run = TrainingRun(Options(schedule, verbose=False), counter)
    with pytest.warns(UserWarning, match="the saved run has"):
        run.load_state_dict(state)
    return run


def saved(plan: Plan) -> Any:
    return {"unit": "optimizer steps", "plan": plan.model_dump(mode="json")}


@pytest.mark.parametrize("rest", [1, 2, 3, 4, 6])
def test_epochs_after_a_resumed_one_begin_with_their_own_step(rest: int) -> None:
    """However many batches the framework trains on in the resumed one."""
    counter = Epochs(8, 6)
    counter.epoch, counter.batch, counter.done = 2, 3, 10  # of 4 in an epoch
    run = resumed(saved(RAMP.plan(epochs=8, steps_per_epoch=4)), counter)
    plan = run.plan
    assert plan is not None
    first = counter.train(run, rest)
    assert first == [plan.size_at(min(15 + n, 17)).width for n in range(rest)]
    for epoch in range(3, 8):
        sizes = [plan.size_at(6 * epoch + step).width for step in range(6)]
        assert counter.train(run, 6) == sizes


def test_a_state_within_the_resumed_epoch_continues_it() -> None:
    counter = Epochs(8, 6)
    counter.epoch, counter.batch, counter.done = 2, 1, 9
    run = resumed(saved(RAMP.plan(epochs=8, steps_per_epoch=4)), counter)
    assert run.plan is not None
    assert run.step() == 14
    counter.done, counter.batch = 14, 5  # one more than the epoch has left
    assert run.step() == 17
    again = Epochs(8, 6)
    again.epoch, again.batch, again.done = 2, 5, 14
    rest = TrainingRun(Options(RAMP, verbose=False), again)
    rest.load_state_dict(run.state_dict())
    assert rest.step() == 17
    again.train(rest, 2)
    assert rest.step() == 18


def test_a_plan_that_began_after_other_epochs() -> None:
    """As that of a second fit: it counts its own epochs."""
    counter = Epochs(8, 6)
    counter.epoch, counter.batch, counter.done = 6, 2, 26  # four epochs were before
    schedule = Phases(phases=((0, 32), ("3ep", 48), ("4ep", 64)))
    plan = schedule.plan(epochs=8, steps_per_epoch=4)
    state = saved(plan) | {"shift": -16}
    run = resumed(state, counter, schedule)
    assert run.step() == 15
    assert counter.train(run, 4) == [32] * 4
    assert counter.train(run, 6) == [48] * 6
    assert counter.train(run, 6) == [64] * 6


@pytest.mark.parametrize("again", [0, 1], ids=["ended", "last batch again"])
@pytest.mark.parametrize("each", [4, 6])
def test_a_plan_that_began_after_other_epochs_continues_between_two(
    each: int, again: int
) -> None:
    """The framework resumes the epoch that is over, or the one after it."""
    counter = Epochs(8, each)
    counter.done = 24  # four epochs of four steps, and two more
    counter.epoch, counter.batch = (5, each) if again else (6, 0)
    schedule = Phases(phases=((0, 32), ("2ep", 48), ("3ep", 64)))
    plan = schedule.plan(epochs=4, steps_per_epoch=4)
    run = resumed(saved(plan) | {"shift": -16}, counter, schedule)
    if again:
        assert counter.train(run, 1) == [48]
    assert counter.train(run, each) == [48] * each
    assert counter.train(run, each) == [64] * each


def test_a_state_between_two_epochs_of_such_a_plan() -> None:
    """The framework still has the batches of the epoch before, as Lightning."""
    counter = Epochs(8, 4)
    counter.done, counter.epoch, counter.batch = 24, 6, 4
    plan = RAMP.plan(epochs=4, steps_per_epoch=4)
    run = resumed(saved(plan) | {"shift": -16}, counter)
    assert run.state_dict()["shift"] == -16
    counter.batch = 0
    assert run.step() == 8


def test_the_first_batch_of_an_epoch_has_its_first_step() -> None:
    epochs = [EpochSteps(5, 10, False)]
    run = ResumedEpochs(lambda: epochs[0])
    assert [run.step(3), run.step(7), run.step(30)] == [5, 7, 9]
    epochs[0] = EpochSteps(10, 15, False)  # its first batch was not asked for
    assert [run.step(40), run.step(41), run.within(44)] == [10, 11, 14]
    epochs[0] = EpochSteps(10, 15, True)  # once more
    assert [run.step(50), run.within(52)] == [10, 12]


@pytest.mark.parametrize(
    ("position", "length", "accumulate", "expected"),
    [
        # A rest of the batches that are left, and one with a batch more.
        (Position(8, 3, 0, 5), 2, 1, Position(8, 3, 0, 5)),
        (Position(8, 3, 0, 5), 3, 1, Position(7, 2, 0, 5)),
        # Two more are no rest of these samples.
        (Position(8, 3, 0, 5), 4, 1, Position(8, 3, 0, 5)),
        (Position(8, 3, 0, 5), 1, 1, Position(8, 3, 0, 5)),
        # The whole epoch, again.
        (Position(8, 3, 0, 5), 5, 1, Position(8, 3, 0, 5)),
        # Rounded to the end of an epoch, whose last batch is left.
        (Position(10, 0, 0, 10), 1, 1, Position(9, 4, 0, 5)),
        (Position(10, 0, 0, 10), 2, 1, Position(10, 0, 0, 10)),
        (Position(10, 0, 0, 10), 5, 1, Position(10, 0, 0, 10)),
        (Position(0, 0, 0, 0), 1, 1, Position(0, 0, 0, 0)),
        # Of windows: in the middle of one, and in the last one.
        (Position(7, 4, 0, 5), 2, 3, Position(6, 3, 0, 5)),
        (Position(8, 0, 0, 8), 1, 2, Position(7, 4, 0, 5)),
        (Position(8, 0, 0, 8), 2, 2, Position(6, 3, 1, 5)),
    ],
)
def test_the_rest_of_an_epoch(
    position: Position, length: int, accumulate: int, expected: Position
) -> None:
    assert rest_of(position, length, accumulate, batches=5) == expected


class Stream(IterableDataset[int]):
    def __iter__(self) -> Any:
        return iter(DATA)

    def __len__(self) -> int:
        return 22


class Odd:
    """A batch sampler that says how many it draws, and nothing else."""

    batch_size = 4

    def __iter__(self) -> Any:
        return iter([[0, 1], [2]])


@pytest.mark.parametrize(
    ("loader", "batches", "expected"),
    [
        (DataLoader(DATA, 4), 6, (22, 4)),
        (DataLoader(DATA, 4, drop_last=True), 5, (20, 4)),
        (DataLoader(DATA, 4), 3, (12, 4)),
        (DataLoader(DATA, 4, shuffle=True), 6, (22, 4)),
        (DataLoader(DATA, batch_sampler=Odd()), 2, (None, None)),  # type: ignore[arg-type]
        (DataLoader(DATA, batch_size=None), 22, (None, None)),
        (DataLoader(Stream(), 4), 6, (None, None)),
        ([1, 2], 2, (None, None)),
        (None, 2, (None, None)),
    ],
)
def test_the_samples_of_an_epoch(loader: Any, batches: int, expected: Any) -> None:
    assert epoch_samples(loader, batches) == expected


def test_the_samples_of_several_processes() -> None:
    shared = DistributedSampler(DATA, num_replicas=4, rank=1)
    assert epoch_samples(DataLoader(DATA, 4, sampler=shared), 2, 4) == (6, 4)
    # Another one may draw another number of them.
    own = BatchSampler(SequentialSampler(DATA), 4, False)
    assert epoch_samples(DataLoader(DATA, batch_sampler=own), 6, 4) == (None, None)


@pytest.mark.parametrize(
    ("samples", "batch", "steps"),
    [(None, 4, 6), (22, None, 6), (22, 4, None), (22, 4, 5)],
)
def test_samples_that_do_not_fit_the_steps_are_left_out(
    samples: int | None, batch: int | None, steps: int | None
) -> None:
    assert plan_samples(samples, batch, steps=steps, accumulate=1) == {}


def test_the_samples_of_a_step_are_those_of_its_window() -> None:
    known = plan_samples(22, 4, steps=3, accumulate=2)
    assert known == {"samples_per_epoch": 22, "batch_size": 8}
    plan = RAMP.plan(epochs=2, **known)
    assert (plan.steps_per_epoch, plan.samples_at(3)) == (3, 22)
