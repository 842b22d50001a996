"""The loop reports its size to whatever the user logs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

RAMP = Ramp(final_size=(64, 48), increase_by=16)
LOADER = [torch.rand(2, 3, 64, 48)] * 4


def train(log: Any, **settings: Any) -> ProgressiveResize:
    resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=4, log=log, **settings)
    for _ in range(4):
        for _ in resize.batches(LOADER):
            pass
    return resize


def test_a_function() -> None:
    seen: list[tuple[str, int, int]] = []
    resize = train(lambda name, value, step: seen.append((name, value, step)))
    assert [step for _, _, step in seen] == [
        stage.start for stage in resize.plan.stages
    ]
    assert [(name, value) for name, value, _ in seen] == [
        ("image_size", max(size)) for size in resize.plan.sizes
    ]


def test_a_writer_of_tensorboard(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        resize = train(writer)
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("image_size")
    assert [(event.step, event.value) for event in events] == [
        (stage.start, max(size))
        for stage, size in zip(resize.plan.stages, resize.plan.sizes, strict=True)
    ]


class WandbRun:
    """Has the signature of W&B's: a step behind its own would be dropped."""

    __module__ = "wandb.sdk.wandb_run"

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._row: dict[str, Any] = {}

    def log(
        self, data: dict[str, Any], step: int | None = None, commit: bool | None = None
    ) -> None:
        assert step is None
        self._row |= data
        if commit is not False:
            self.rows.append(self._row)
            self._row = {}


@pytest.mark.parametrize("kind", [WandbRun, type("Mine", (WandbRun,), {})])
def test_a_run_of_wandb(kind: type[WandbRun]) -> None:
    run = kind()
    resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=4, log=run)
    for _ in range(4):
        for _ in resize.batches(LOADER):
            run.log({"loss": 0.5})
    assert len(run.rows) == 16
    sizes = {
        step: row["image_size"] for step, row in enumerate(run.rows) if len(row) > 1
    }
    assert sizes == {stage.start: max(stage.size) for stage in resize.plan.stages}


def test_a_step_is_one_of_the_optimizer() -> None:
    seen: list[int] = []
    resize = train(lambda name, value, step: seen.append(step), accumulate=2)
    assert seen == [stage.start for stage in resize.plan.stages]


@pytest.mark.parametrize("log", ["image_size", 3, SummaryWriter, WandbRun, object()])
def test_what_is_no_log(log: Any) -> None:
    with pytest.raises(
        TypeError, match=r"log must be a function of \(name, value, step"
    ):
        ProgressiveResize(RAMP, total_steps=4, log=log)


def test_nothing_is_reported_without() -> None:
    assert train(None).optimizer_steps == 16
