"""Every training batch has the size of its step, whatever trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import (
    BATCH,
    BATCHES,
    RAMP,
    Job,
    Trained,
    Way,
    labelled,
)
from tests.adapters.contract.ways.every import WAYS, each_way
from torch.utils.data import Dataset, TensorDataset

from upsize.schedule import (
    Linear,
    MultiScale,
    Phases,
    Ramp,
    RunLength,
    Schedule,
    Size,
)


class Own(Schedule):
    """A schedule of the user's own: 16, 24 and 32 pixels at the squares of shares."""

    final_size: int = 32

    def changes(self, run: RunLength, final: Size) -> list[tuple[int, int]]:
        sizes = range(final.height // 2, final.height + 1, 8)
        return [(run.total_steps * k * k // 9, size) for k, size in enumerate(sizes)]


SCHEDULES = {
    "ramp": RAMP,
    "epochs": Ramp(final_size=32, increase_mode="epoch"),
    "linear": Linear(final_size=32, start=0.0, finish=0.9),
    "phases": Phases(phases=[(0, 16), ("4st", 24), (3, 32)]),
    "random": MultiScale(sizes=(16, 24, 32), every=2, seed=1, final_size=32),
    "ramp, then random": MultiScale(
        sizes=(16, 24, 32),
        every=2,
        seed=3,
        before=Ramp(final_size=32, start=0.1, finish=0.4),
        finish=0.8,
    ),
    "random shapes": MultiScale(sizes=[(16, 24), (24, 16), (32, 32)], seed=2),
    "own": Own(),
    "own, then random": MultiScale(sizes=[24, 32], every=2, before=Own(), finish=0.9),
    "full": Ramp(initial_size=1.0, final_size=32),
}


def planned(way: Way, done: Any) -> list[tuple[int, int]]:
    return [tuple(done.plan.size_at(step)) for step in way.steps(done)]


Train = Callable[[Way, str, int], Trained]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train each way on each schedule once, for all claims in here."""
    done: dict[tuple[str, str, int], Trained] = {}

    def train(way: Way, schedule: str, accumulate: int) -> Trained:
        key = way.name, schedule, accumulate
        if key not in done:
            folder = tmp_path_factory.mktemp(way.name)
            job = Job(
                folder=folder, schedule=SCHEDULES[schedule], accumulate=accumulate
            )
            done[key] = way.train(job)
        return done[key]

    return train


@each_way()
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_each_batch_has_the_size_of_its_step(
    way: Way, schedule: str, accumulate: int, trained: Train
) -> None:
    done = trained(way, schedule, accumulate)
    assert done.plan is not None
    assert len(done.sizes) == 4 * BATCHES
    window = accumulate if way.unit == "optimizer steps" else 1
    assert done.plan.steps_per_epoch == -(-BATCHES // window)
    assert done.plan.total_steps == 4 * done.plan.steps_per_epoch
    assert done.sizes == planned(way, done)
    assert (len(set(done.sizes)) == 1) == (schedule == "full")
    # One size through a window.
    of_steps = {(batch.step, batch.size) for batch in done.seen.trained}
    assert len(of_steps) == len({step for step, _ in of_steps})
    assert done.warnings == []


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_same_sizes_and_weights_everywhere(
    schedule: str, accumulate: int, trained: Train
) -> None:
    # A window of fastai's is counted in batches, and its loss is not a mean.
    ways = [way for way in WAYS if accumulate == 1 or way.unit == "optimizer steps"]
    first, *others = [trained(way, schedule, accumulate) for way in ways]
    for other in others:
        assert other.sizes == first.sizes
        for name, value in first.weights.items():
            assert torch.equal(other.weights[name], value), name


@each_way()
def test_images_of_two_sides(way: Way, tmp_path: Path) -> None:
    data = TensorDataset(torch.rand(20, 3, 32, 48), torch.zeros(20).long())
    schedule = Ramp(final_size=(32, 48), increase_by=24)
    done = way.train(Job(folder=tmp_path, data=data, schedule=schedule))
    assert done.sizes == [(16, 24)] * 10 + [(32, 48)] * 10 == planned(way, done)


@each_way()
def test_labels_are_untouched(way: Way, tmp_path: Path) -> None:
    data = labelled()
    done = way.train(Job(folder=tmp_path, data=data))
    labels = torch.cat([batch.labels for batch in done.seen.trained])
    assert labels.equal(data.tensors[1].repeat(4))  # type: ignore[attr-defined]
    assert labels.dtype == torch.int64


def masked() -> Dataset[Any]:
    """Give images with masks that are 0 and 3 in turns."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BATCH * BATCHES, 3, 32, 32, generator=generator)
    rows = (torch.arange(32) % 2).expand(BATCH * BATCHES, 32, 32).contiguous()
    return TensorDataset(images, rows)


@each_way()
def test_masks_follow_and_are_never_blended(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, data=masked(), masks=True))
    for batch in done.seen.trained:
        assert tuple(batch.labels.shape) == (BATCH, *batch.size)
        assert batch.labels.dtype == torch.int64
        assert set(batch.labels.unique().tolist()) <= {0, 1}
    assert done.sizes == planned(way, done)


@each_way("full size of the images")
def test_the_images_tell_the_full_size(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, schedule=Ramp(increase_by=8)))
    assert done.plan.final_size == (32, 32)
    assert done.sizes == planned(way, done)


@each_way()
def test_the_full_size_beside_the_schedule(way: Way, tmp_path: Path) -> None:
    schedule = Ramp(increase_by=8)
    done = way.train(Job(folder=tmp_path, schedule=schedule, final_size=32))
    assert done.plan.final_size == (32, 32)
    assert done.widths == [16] * 10 + [24] * 5 + [32] * 5
