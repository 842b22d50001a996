"""Wrong images, two instances, a second fit, no schedule: the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import Job, Way, labelled
from tests.adapters.contract.ways.every import each_way
from torch.utils.data import Dataset, TensorDataset

from upsize.schedule import Ramp

SCHEDULE = Ramp(final_size=24, increase_by=4)


def refused(way: Way, job: Job, kind: type[Exception], words: str) -> Any:
    done = way.fail(job)
    with pytest.raises(kind, match=words):
        raise done.error  # type: ignore[misc]
    return done


@each_way()
@pytest.mark.parametrize("preallocate", [False, True])
def test_images_that_are_too_small(way: Way, preallocate: bool, tmp_path: Path) -> None:
    job = Job(
        folder=tmp_path, data=labelled(20), schedule=SCHEDULE, preallocate=preallocate
    )
    words = "images are 20x20 and final_size is 24x24: images are never enlarged"
    assert refused(way, job, ValueError, words).sizes == []


class Shrinking(Dataset[Any]):
    """The second batch has smaller images."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        side = 32 if index < 4 else 20
        return torch.rand(3, side, side), torch.tensor(0)


@each_way()
def test_images_that_are_too_small_in_a_later_batch(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, data=Shrinking())
    words = "images are 20x20 and final_size is 32x32: images are never enlarged"
    assert refused(way, job, ValueError, words).widths == [16]


@each_way()
@pytest.mark.parametrize("preallocate", [False, True])
def test_images_that_are_too_large(way: Way, preallocate: bool, tmp_path: Path) -> None:
    done = way.train(
        Job(folder=tmp_path, schedule=SCHEDULE, preallocate=preallocate, validate=True)
    )
    assert (done.widths[0], done.widths[-1]) == (12, 24)
    words = "images are 32x32 and final_size is 24x24: training never uses their own"
    assert len(done.said(words)) == len(done.warnings) == 1


def vectors() -> Dataset[Any]:
    return TensorDataset(torch.rand(20, 3), torch.zeros(20).long())


@each_way()
@pytest.mark.parametrize("accumulate", [1, 2])
def test_no_images(way: Way, accumulate: int, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, data=vectors(), accumulate=accumulate)
    assert refused(way, job, ValueError, "no image").sizes == []


@each_way("targets by their shape")
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32])
def test_masks_that_nobody_names(way: Way, dtype: torch.dtype, tmp_path: Path) -> None:
    masks = torch.zeros(20, 32, 32, dtype=dtype)
    job = Job(folder=tmp_path, data=TensorDataset(torch.rand(20, 3, 32, 32), masks))
    words = r"shape \(4, 32, 32\)\) has the size of the images, .*: \"mask\"\}\)"
    assert refused(way, job, ValueError, words).sizes == []


@each_way()
def test_channels_last(way: Way, tmp_path: Path) -> None:
    data = TensorDataset(torch.rand(20, 32, 32, 3), torch.zeros(20).long())
    words = r"has its channels last, .*\.permute\(0, 3, 1, 2\)"
    job = Job(folder=tmp_path, data=data)
    assert refused(way, job, ValueError, words).sizes == []


@each_way("two instances")
def test_two_instances(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, twice=True)
    assert refused(way, job, ValueError, "ProgressiveResize").sizes == []


@each_way("second fit")
def test_a_second_fit_begins_again(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, fits=2))
    assert done.widths == ([16] * 10 + [24] * 5 + [32] * 5) * 2
    assert done.reported == [(0, 16), (10, 24), (15, 32)] * 2
    assert done.warnings == []


@each_way()
@pytest.mark.parametrize("schedule", [0.5, "ramp", Ramp])
def test_what_is_no_schedule(way: Way, schedule: Any, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, schedule=schedule)
    assert refused(way, job, TypeError, r"Ramp\(final_size=224\), not ").sizes == []


@each_way()
def test_two_full_sizes(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, schedule=SCHEDULE, final_size=32)
    assert refused(way, job, ValueError, "leave one of them out").sizes == []


@each_way()
def test_a_full_size_that_is_no_size(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, schedule=Ramp(), final_size=0)
    assert refused(way, job, ValueError, "at least 1").sizes == []


@each_way()
def test_a_plan_that_the_sizes_do_not_allow(way: Way, tmp_path: Path) -> None:
    job = Job(folder=tmp_path, schedule=Ramp(multiple_of=5), final_size=32)
    done = refused(way, job, ValueError, "multiple_of")
    assert done.sizes == []
    assert not hasattr(done.error, "__notes__")
