"""The demo through a trainer that runs in a thread, an epoch each time it is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from upsize.demo._data import Data, LabelledImages
from upsize.demo._plans import default_schedule
from upsize.demo._run import Runner, Training, train
from upsize.lightning._demo import train as train_with_lightning
from upsize.transformers._demo import train as train_with_transformers


@pytest.fixture(params=[train_with_lightning, train_with_transformers])
def train_with(request: pytest.FixtureRequest) -> Any:
    return request.param


def task() -> Training:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 1, 16, 16), dtype=torch.uint8, generator=generator)
    labels = torch.randint(2, (40,), generator=generator)
    parts = [
        LabelledImages(images[part], labels[part])
        for part in (slice(32), slice(32, None))
    ]
    data = Data(*parts, classes=("a", "b"), rotate=True)
    schedule = default_schedule(16)
    plan = schedule.plan(epochs=4, steps_per_epoch=4)
    return Training(data, schedule, plan, batch_size=8, seed=0)


def run(runner: Runner) -> Any:
    steps: list[Any] = []
    return runner(task(), lambda *step: steps.append(step)), steps


def begun_since(before: set[threading.Thread]) -> set[threading.Thread]:
    """Threads of other tests may end in the meantime."""
    return set(threading.enumerate()) - before


def test_it_trains_as_the_plain_loop_does(train_with: Any) -> None:
    plain, plain_steps = run(train)
    expected = [epoch.accuracy for epoch in plain]
    epochs, steps = run(train_with)
    found = list(epochs)
    assert [epoch.accuracy for epoch in found] == expected
    assert steps == plain_steps
    assert len({size for _, size in steps}) == 3
    seconds = [epoch.seconds for epoch in found]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_two_runs_take_turns_without_changing_each_other(train_with: Any) -> None:
    alone = [epoch.accuracy for epoch in run(train_with)[0]]
    first, second = run(train_with)[0], run(train_with)[0]
    turns = list(zip(first, second, strict=True))
    assert [one.accuracy for one, _ in turns] == alone
    assert [other.accuracy for _, other in turns] == alone


def test_it_runs_only_when_asked_and_ends_when_left(train_with: Any) -> None:
    before = set(threading.enumerate())
    epochs, steps = run(train_with)
    next(epochs)
    assert len(steps) == 4
    assert len(begun_since(before)) == 1
    epochs.close()
    assert len(steps) == 4
    assert not begun_since(before)


def test_an_error_in_the_trainer_is_raised_here(train_with: Any) -> None:

    def on_step(step: int, size: object) -> None:
        if step == 6:
            raise RuntimeError("from on_step")

    before = set(threading.enumerate())
    epochs = train_with(task(), on_step)
    next(epochs)
    with pytest.raises(RuntimeError, match="from on_step"):
        next(epochs)
    assert not begun_since(before)
