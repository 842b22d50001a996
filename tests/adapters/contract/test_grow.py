"""A batch that grows: each sample once in an epoch, at the sizes of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import Job, Way
from tests.adapters.contract.ways.every import each_way
from tests.adapters.numbered import Numbered

from upsize.schedule import Grow, Phases

# Four and two times the images; the changes are within epochs.
GROWS = Phases(phases=((0.0, 16), (0.4, 22), (0.7, 32)))


class OfOneLabel(Numbered):
    """Has a label that every loss takes."""

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(index)[0], torch.tensor(0)


def growing(folder: Path, count: int = 18, **more: Any) -> Job:
    settings: dict[str, Any] = {
        "epochs": 3, "schedule": GROWS, "loader": "sized", "grow": Grow(16),
    }  # fmt: skip
    data = {"data": OfOneLabel(count, 32)}
    return Job(folder=folder, **(data | settings | more))


@each_way("a batch that grows")
@pytest.mark.parametrize("count", [18, 20, 7])
@pytest.mark.parametrize(
    "grow", [Grow(16), Grow({16: 10, 22: 7}, batch=4, lr="linear")], ids=["all", "each"]
)
def test_an_epoch_has_each_sample_once(
    way: Way, count: int, grow: Grow, tmp_path: Path
) -> None:
    done = way.train(growing(tmp_path, count, grow=grow))
    plan, trained = done.plan, done.seen.trained
    assert plan is not None
    assert plan.grow == grow.with_batch(4)
    steps = range(plan.total_steps)
    assert [batch.step for batch in trained] == list(steps)
    assert done.seen.steps == len(steps)
    assert done.sizes == [tuple(plan.size_at(step)) for step in steps]
    assert [len(batch.labels) for batch in trained] == [
        plan.batch_at(step) for step in steps
    ]
    firsts = [round(batch.pixel * 64) for batch in trained]
    assert firsts == [plan.samples_at(step) % count for step in steps]
    assert sum(len(batch.labels) for batch in trained) == 3 * count
    assert done.mismatched == 0
    assert done.warnings == []
    assert len(trained) < -(-count // 4) * 3


@each_way("a batch that grows")
@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"loader": "plain"}, r"sized(=True|\(loader, resize)"),
        ({"merge": True}, r"merge=True both make batches of small images"),
        ({"accumulate": 2}, "both make batches of small images larger"),
        ({"grow": Grow(16, batch=5)}, "batch=5, but the loader's batches"),
        ({"grow": Grow(3)}, "limit"),
    ],
    ids=["plain", "merge", "accumulate", "batch", "limit"],
)
def test_refused(way: Way, job: Any, words: str, tmp_path: Path) -> None:
    done = way.fail(growing(tmp_path, **job))
    with pytest.raises(ValueError, match=words):
        raise done.error  # type: ignore[misc]
    assert done.sizes == []


class Changing(OfOneLabel):
    """Has more or fewer images after the last one was drawn."""

    def __init__(self, count: int, more: int) -> None:
        super().__init__(count, 32)
        self.last, self.more = count - 1, more

    def __getitem__(self, index: int) -> Any:
        if index == self.last:
            self.count, self.last = self.last + 1 + self.more, -1
        return super().__getitem__(index)


@each_way("a batch that grows")
@pytest.mark.parametrize("more", [-5, 2])
def test_another_length_of_the_dataset_is_refused(
    way: Way, more: int, tmp_path: Path
) -> None:
    job = growing(tmp_path, data=Changing(18, more))
    done = way.fail(job)
    words = f"draws {18 + more} samples in an epoch, and the plan has 18: keep the len"
    with pytest.raises(ValueError, match=words):
        raise done.error  # type: ignore[misc]
    assert done.plan is not None
    assert len(done.sizes) == done.plan.epoch_start(1)  # the first epoch is whole
