"""Notes on the errors of others, and none where there is nothing to say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models import VisionTransformer

from upsize.models import adapt
from upsize.run import BatchCounter, Options, TrainingRun
from upsize.run._foreign import explain
from upsize.schedule import Phases, Ramp


def run(schedule: Any, batches: int = 1) -> TrainingRun:
    counter = BatchCounter(total_steps=4, accumulate=1, batches=None)
    made = TrainingRun(Options(schedule, verbose=False), counter)
    for _ in range(batches):
        made.train(torch.rand(1, 3, 32, 32))
        counter.count()
    return made


SMALL = Phases(phases=[(0, 16), ("3st", 32)])


def notes(error: BaseException, made: TrainingRun | None) -> list[str]:
    explain(error, made)
    explain(error, made)
    return getattr(error, "__notes__", [])


def test_names_step_size_and_cure_once() -> None:
    assert notes(RuntimeError("shape"), run(SMALL, 2)) == [
        "upsize: step 2 trains at 16x16 instead of 32x32. If the model takes one image "
        "size only, upsize.models.adapt(model) may let it take others, and "
        "upsize.models.check(model, plan, batch) finds sizes that work (multiple_of= of "
        "the schedule). A target that has to follow the images needs "
        "Resizer(targets=...)"
    ]


def test_memory_has_another_cure() -> None:
    (note,) = notes(torch.OutOfMemoryError("full"), run(SMALL))
    assert note.endswith("32x32. Full size takes more memory: lower the batch size")


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), SystemExit(), GeneratorExit(), StopIteration()],
    ids=repr,
)
def test_none_for_what_stops(error: BaseException) -> None:
    assert notes(error, run(SMALL)) == []


def test_none_without_a_smaller_size() -> None:
    assert notes(RuntimeError(), None) == []
    assert notes(RuntimeError(), run(Ramp(), batches=0)) == []
    assert notes(RuntimeError(), run(Ramp(final_size=32), batches=0)) == []
    assert notes(RuntimeError(), run(Phases(phases=[(0, 32)], final_size=32))) == []


def test_none_on_errors_of_upsize_but_those_of_adapted_models() -> None:
    made = run(SMALL)
    with pytest.raises(ValueError, match="never enlarged") as caught:
        made.train(torch.rand(1, 3, 20, 20))
    assert notes(caught.value, made) == []
    model = VisionTransformer(32, 8, 1, 1, 8, 8)
    with adapt(model), pytest.raises(ValueError, match="do not divide") as caught:
        model(torch.rand(1, 3, 20, 20))
    assert len(notes(caught.value, made)) == 1
