"""What users are told, in the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import BATCHES, RAMP, Job, Way
from tests.adapters.contract.ways.every import each_way
from torch.utils.data import Dataset

from upsize.schedule import MultiScale, Phases, Ramp

EARLY = "training ended at 16x16, not at the full size 32x32"
WRONG = "came from the sized loader at another size than their step's"


@each_way()
def test_the_size_on_every_change(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path))
    assert done.reported == [(0, 16), (10, 24), (15, 32)]


@each_way()
def test_the_longer_side(way: Way, tmp_path: Path) -> None:
    schedule = Phases(phases=[(0, (12, 16)), (2, (24, 32))])
    done = way.train(Job(folder=tmp_path, schedule=schedule))
    assert done.reported == [(0, 16), (10, 32)]


@each_way()
@pytest.mark.parametrize(
    "schedule",
    [RAMP, MultiScale(sizes=(24, 32), every=1, before=Ramp(final_size=32))],
    ids=["ramp", "ramp before random"],
)
def test_training_that_ends_early(way: Way, schedule: Any, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, schedule=schedule, stop_after=2))
    assert done.widths == [16] * 10
    assert len(done.said(EARLY)) == len(done.warnings) == 1
    assert "20" in done.warnings[0]


@each_way()
def test_training_that_reaches_full_size_and_ends_early(
    way: Way, tmp_path: Path
) -> None:
    schedule = Phases(phases=[(0, 16), (1, 32)])
    done = way.train(Job(folder=tmp_path, schedule=schedule, stop_after=2))
    assert done.widths == [16] * 5 + [32] * 5
    assert done.warnings == []


@each_way()
def test_an_error_is_not_followed_by_a_warning(way: Way, tmp_path: Path) -> None:
    done = way.fail(Job(folder=tmp_path, fail_at=7))
    assert done.warnings == []


@each_way()
def test_a_plan_that_ends_below_full_size_says_so_once(
    way: Way, tmp_path: Path
) -> None:
    schedule = Ramp(final_size=32, start=1.0, finish=1.0)
    done = way.train(Job(folder=tmp_path, schedule=schedule))
    assert set(done.widths) == {16}
    assert len(done.said("never reached")) == len(done.warnings) == 1


@each_way()
def test_random_sizes_end_at_any(way: Way, tmp_path: Path) -> None:
    # The last batch is drawn at less than full size.
    schedule = MultiScale(sizes=(16, 24, 32), every=1, seed=2, final_size=32)
    done = way.train(Job(folder=tmp_path, schedule=schedule))
    assert done.widths[-1] < 32
    assert done.warnings == []


class Fixed(Dataset[Any]):
    """Images that follow the size only when they are told to."""

    side = 32

    def __len__(self) -> int:
        return 4 * BATCHES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 32, 32, generator=generator)
        return image[:, : self.side, : self.side], torch.tensor(index % 2)


def follow(dataset: Any, size: Any) -> None:
    dataset.side = size.width


def ignore(dataset: Any, size: Any) -> None: ...


@each_way()
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_sized_loader_makes_each_batch_at_its_size(
    way: Way, accumulate: int, tmp_path: Path
) -> None:
    done = way.train(
        Job(
            folder=tmp_path,
            data=Fixed(),
            loader="sized",
            set_size=follow,
            accumulate=accumulate,
        )
    )
    assert done.sizes == [tuple(done.plan.size_at(step)) for step in way.steps(done)]
    assert done.mismatched == 0
    assert done.warnings == []


@each_way()
def test_batches_that_a_sized_loader_made_wrong(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, data=Fixed(), loader="sized", set_size=ignore)
    done = way.train(job)
    assert done.widths == [16] * 10 + [24] * 5 + [32] * 5
    assert done.mismatched == 15
    # Early on, and once more when all of them are known.
    early, late = done.warnings
    assert early.startswith(f"5 batches {WRONG}")
    assert late.startswith(f"15 batches {WRONG}")


def too_small(dataset: Any, size: Any) -> None:
    dataset.side = min(size.width, 17)


@each_way()
def test_a_size_that_no_step_has_is_refused(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, data=Fixed(), loader="sized", set_size=too_small)
    assert "images are never enlarged" in str(way.fail(job).error)


@each_way("sized elsewhere")
def test_a_plain_loader_is_not_a_sized_one(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, data=Fixed(), loader="elsewhere", set_size=follow)
    done = way.train(job)
    assert done.widths == [16] * 10 + [24] * 5 + [32] * 5
    assert done.mismatched == 0
    assert done.warnings == []


def test_the_schedule_of_these_claims() -> None:
    plan = RAMP.plan(epochs=4, steps_per_epoch=BATCHES)
    assert [(stage.start, stage.size.width) for stage in plan.stages] == [
        (0, 16),
        (10, 24),
        (15, 32),
    ]
