"""A sized stream trains at the size of each step, on the samples of the plain one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import BATCH, BATCHES, Job, Trained, Way
from tests.adapters.contract.ways.every import each_way
from tests.core.loading.images import augmented
from torch.utils.data import IterableDataset

from upsize.schedule import Phases

COUNT = BATCH * BATCHES
# The sizes change within epochs.
PHASES = Phases(phases=[(0, 16), (0.4, 24), (0.7, 32)], final_size=32)


class Stream(IterableDataset[Any]):
    """Gives 20 images and their labels, and notes which.

    Args:
        ahead: How many images it makes before it gives the first of them.
    """

    def __init__(self, ahead: int = 0) -> None:
        self.transform, self.ahead = augmented(), ahead
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(COUNT, 3, 40, 48, generator=generator)
        self.labels = torch.randint(2, (COUNT,), generator=generator)
        self.given: list[int] = []

    def __len__(self) -> int:
        return COUNT

    def made(self) -> Iterator[Any]:
        for index in range(COUNT):
            yield index, self.transform(self.images[index]), self.labels[index]

    def __iter__(self) -> Iterator[Any]:
        samples = self.made()
        held = list(islice(samples, self.ahead))
        for each in chain(samples, [None] * len(held)):
            held += [each] if each is not None else []
            index, *sample = held.pop(0)
            self.given.append(index)
            yield tuple(sample)


def train(way: Way, folder: Path, data: Stream, **more: Any) -> Trained:
    job = Job(folder=folder, data=data, loader="sized", schedule=PHASES, **more)
    done = way.train(job)
    assert done.plan is not None
    assert done.sizes == [done.plan.size_at(step) for step in way.steps(done)]
    assert len({*done.sizes}) == 3
    assert done.mismatched == 0
    return done


@each_way()
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_has_the_sizes_and_the_samples(
    way: Way, accumulate: int, tmp_path: Path
) -> None:
    small, full = Stream(), Stream()
    done = train(way, tmp_path / "sized", small, accumulate=accumulate)
    assert done.warnings == []
    job = Job(folder=tmp_path / "plain", data=full, accumulate=accumulate)
    plain = way.train(replace(job, upsize=False))
    assert small.given == full.given
    assert len(small.given) == 4 * COUNT
    assert len(done.seen.trained) == len(plain.seen.trained) == 4 * BATCHES
    for ours, theirs in zip(done.seen.trained, plain.seen.trained, strict=True):
        assert torch.equal(ours.labels, theirs.labels)


@each_way()
def test_what_it_makes_ahead_gets_the_size_of_its_batch(
    way: Way, tmp_path: Path
) -> None:
    done = train(way, tmp_path, Stream(ahead=6), epochs=1)
    words = "samples of the stream were made at the size of another batch"
    assert len(done.said(words)) == len(done.warnings) == 1
