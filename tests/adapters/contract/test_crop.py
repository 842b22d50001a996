"""Windows are cut at the step of their batch, whatever trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import BATCH, BATCHES, Job, Trained, Way
from tests.adapters.contract.ways.every import each_way
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from upsize.resize import Resizer


def numbered() -> Dataset[Any]:
    """Give images whose pixels are numbered from 0 to 1023."""
    count, numbers = BATCH * BATCHES, torch.arange(1024.0).view(32, 32)
    images = (numbers / 1024).expand(count, 3, 32, 32).contiguous()
    return TensorDataset(images, torch.arange(count) % 2)


def windows(done: Trained) -> list[tuple[tuple[int, int], int]]:
    """Return the size and the first pixel of each batch that was trained on."""
    return [(batch.size, int(batch.pixel * 1024)) for batch in done.seen.trained]


def planned(way: Way, done: Trained) -> list[tuple[tuple[int, int], int]]:
    assert done.plan is not None
    resizer, image = Resizer(mode="crop"), torch.arange(1024.0).view(1, 1, 32, 32)
    found = []
    for step in way.steps(done):
        size = done.plan.size_at(step)
        found.append((tuple(size), int(resizer(image, size, step=step)[0, 0, 0, 0])))
    return found


@pytest.mark.parametrize("loader", ["plain", "sized"])
@each_way("crop")
def test_each_step_has_its_window(way: Way, loader: Any, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, data=numbered(), accumulate=2, crop=True, loader=loader)
    done = way.train(job)
    assert windows(done) == planned(way, done)
    assert len(set(windows(done))) > 5
    assert done.mismatched == 0
    assert done.warnings == []


@pytest.mark.parametrize("loader", ["plain", "sized"])
@each_way("crop", "mid-epoch data")
def test_a_resumed_run_cuts_the_same(way: Way, loader: Any, tmp_path: Path) -> None:
    job: dict[str, Any] = {
        "folder": tmp_path, "data": numbered(), "crop": True, "loader": loader,
    }  # fmt: skip
    whole = way.train(Job(save_every=1, **job))
    rest = way.train(Job(resume=whole.checkpoints[7], **job))
    assert windows(rest) == windows(whole)[7:]


class Stream(IterableDataset[Any]):
    """Gives the same images one by one."""

    def __init__(self) -> None:
        self.samples = numbered()

    def __len__(self) -> int:
        return BATCH * BATCHES

    def __iter__(self) -> Any:
        return (self.samples[index] for index in range(len(self)))


@each_way("crop")
def test_the_workers_of_a_stream_cut_as_well(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, data=Stream(), crop=True, loader="sized"))
    assert windows(done) == planned(way, done)
    assert done.mismatched == 0
