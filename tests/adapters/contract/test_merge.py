"""Merged micro-batches train as the plain ones do, in fewer forward passes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.accelerate import Accelerate
from tests.adapters.contract.ways.common import BATCH, BATCHES, Job, Trained, Way
from tests.adapters.contract.ways.loop import Loop
from tests.adapters.contract.ways.transformers import Transformers
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

from upsize.schedule import Phases

EACH = pytest.mark.parametrize(
    "way", [Loop(), Accelerate(), Transformers()], ids=lambda way: way.name
)
# Four batches of 16 px have the pixels of one of 32 px, and seven of 12 px.
GROWS = Phases(phases=((0.0, 16), (0.4, 24), (0.6, 32)))
SMALL = Phases(phases=((0.0, 12), (0.5, 16), (0.8, 32)))


def data(count: int) -> TensorDataset:
    """Return images of float64, each with one of two labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, 32, 32, generator=generator, dtype=torch.float64)
    return TensorDataset(images, torch.randint(2, (count,), generator=generator))


def planned(done: Trained, job: Job) -> list[int]:
    """Return how many images each forward pass has, as the plan says."""
    plan, count = done.plan, len(job.data)  # type: ignore[arg-type]
    assert plan is not None
    per_epoch = -(-BATCHES // job.accumulate)
    passes: list[int] = []
    for step in range(plan.total_steps):
        size, first = plan.size_at(step), step % per_epoch * job.accumulate
        most = plan.final_size.height**2 // size.height**2
        if job.merge is not True:
            most = min(most, job.merge // BATCH)
        lengths = [BATCH] * min(job.accumulate, BATCHES - first)
        if count % BATCH and first + len(lengths) == BATCHES:
            lengths[-1] = count % BATCH
        while lengths:
            # As equal as possible, and never with the short one.
            group = -(-len(lengths) // -(-len(lengths) // most))
            if group > 1 and lengths[group - 1] != BATCH:
                group -= 1
            passes.append(sum(lengths[:group]))
            del lengths[:group]
    return passes


def both(
    way: Way, folder: Path, data: Dataset[Any], **job: Any
) -> tuple[Job, Trained, Trained]:
    """Train without merging and with it."""
    merge = job.pop("merge", True)
    plain = Job(folder=folder, data=data, epochs=3, exact=True, **job)
    merged = replace(plain, merge=merge)
    return merged, way.train(plain), way.train(merged)


def check_same(one: Trained, other: Trained) -> None:
    """Compare weights and momenta up to the order of summation."""
    for name, value in one.weights.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(other.weights[name], value, rtol=0, atol=1e-9)
    for mine, theirs in zip(one.optimizer, other.optimizer, strict=True):
        torch.testing.assert_close(theirs, mine, rtol=0, atol=1e-9)


@EACH
@pytest.mark.parametrize(
    ("accumulate", "count", "merge", "schedule"),
    [
        (5, 20, True, GROWS),  # windows of a whole epoch
        (5, 18, True, GROWS),  # the last batch is shorter
        (2, 18, True, GROWS),  # and is a window by itself
        (3, 20, True, GROWS),  # the epoch's end cuts a window
        (3, 18, 8, GROWS),  # a limit in images, also at full size
        (4, 20, True, SMALL),
    ],
)
def test_the_weights_of_the_plain_run(
    way: Way, accumulate: int, count: int, merge: Any, schedule: Any, tmp_path: Path
) -> None:
    job, plain, merged = both(
        way,
        tmp_path,
        data(count),
        accumulate=accumulate,
        merge=merge,
        schedule=schedule,
    )
    check_same(plain, merged)
    assert merged.plan == plain.plan
    assert merged.seen.steps == plain.seen.steps == plain.plan.total_steps  # type: ignore[union-attr]
    assert [len(batch.labels) for batch in merged.seen.trained] == planned(merged, job)
    assert len(merged.seen.trained) < len(plain.seen.trained)
    one, other = (
        torch.cat([batch.labels for batch in run.seen.trained])
        for run in (plain, merged)
    )
    assert torch.equal(one, other)
    assert merged.reported == plain.reported
    assert merged.warnings == plain.warnings == []


class Crops(Dataset[Any]):
    """Images that are cropped to their size."""

    def __init__(self, count: int) -> None:
        self.transform, self.plain = Compose([Resize(36), CenterCrop(32)]), data(count)

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = self.plain[index]
        return self.transform(image), label


class Stream(IterableDataset[Any]):
    """The same, one after the other."""

    def __init__(self, count: int) -> None:
        self.crops = Crops(count)

    def __len__(self) -> int:
        return len(self.crops)

    def __iter__(self) -> Iterator[Any]:
        return (self.crops[index] for index in range(len(self)))


@EACH
@pytest.mark.parametrize("kind", [Crops, Stream])
def test_in_a_sized_loader(way: Way, kind: Any, tmp_path: Path) -> None:
    job, plain, merged = both(
        way, tmp_path, kind(18), accumulate=5, loader="sized", schedule=GROWS
    )
    check_same(plain, merged)
    assert merged.mismatched == plain.mismatched == 0
    trained = [len(batch.labels) for batch in merged.seen.trained]
    assert sum(trained) == sum(planned(merged, job))
    assert len(trained) <= len(planned(merged, job))
    assert len(trained) < len(plain.seen.trained)
    assert merged.warnings == plain.warnings


@EACH
@pytest.mark.parametrize("step", [1, 2])
def test_resumed(way: Way, step: int, tmp_path: Path) -> None:
    """Within an epoch and after it."""
    settings: dict[str, Any] = {
        "data": data(20), "epochs": 3, "exact": True, "accumulate": 3,
        "merge": True, "schedule": GROWS,
    }  # fmt: skip
    whole = way.train(Job(folder=tmp_path, save_every=1, **settings))
    rest = way.train(Job(folder=tmp_path, resume=whole.checkpoints[step], **settings))
    check_same(whole, rest)
    passes = [len(batch.labels) for batch in whole.seen.trained if batch.step >= step]
    assert [len(batch.labels) for batch in rest.seen.trained] == passes


@EACH
@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"merge": True}, "each batch is one: accumulate gradients"),
        ({"merge": 3, "accumulate": 2}, "merge= allows 3 images .* has 4"),
        ({"merge": 0, "accumulate": 2}, "allows 0 images"),
    ],
)
def test_refused(way: Way, job: Any, words: str, tmp_path: Path) -> None:
    done = way.fail(Job(folder=tmp_path, schedule=GROWS, epochs=3, **job))
    assert isinstance(done.error, ValueError)
    assert re.search(words, str(done.error)), done.error
