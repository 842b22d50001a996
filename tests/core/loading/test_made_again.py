"""A sized dataset is refused in a loader that gives its batches no size.

Frameworks that split the data make a loader again, with a sampler of their own. Its
batches are at full size, and resizing them on the device saves no loading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.core.loading.images import FULL, RAMP, Images
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    Subset,
)

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Phases

BATCHES = 7
WHOLE = Phases(phases=[(0, FULL)])  # never resizes


def progressive() -> ProgressiveResize:
    return ProgressiveResize(RAMP, total_steps=3 * BATCHES)


def half(data: Any) -> DistributedSampler[Any]:
    return DistributedSampler(data, num_replicas=2, rank=0)


class Wrapper(Dataset[Any]):
    """A dataset around another one, which it keeps under the usual name."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]


AGAIN: dict[str, Callable[[Any], Any]] = {
    "another sampler, as Ray Train": lambda loader: DataLoader(
        loader.dataset, 4, sampler=half(loader.dataset), collate_fn=loader.collate_fn
    ),
    "its dataset alone": lambda loader: DataLoader(loader.dataset, 4),
    "workers": lambda loader: DataLoader(loader.dataset, 4, num_workers=1),
    "a part of its dataset": lambda loader: DataLoader(
        Subset(loader.dataset, range(8)), 4
    ),
    "a wrapper of a part": lambda loader: DataLoader(
        Wrapper(Subset(loader.dataset, range(8))), 4
    ),
    "several datasets": lambda loader: DataLoader(
        ConcatDataset([Images(), loader.dataset]), 4
    ),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_it_is_refused_at_the_first_small_batch(again: Callable[[Any], Any]) -> None:
    resize = progressive()
    loader = again(sized(DataLoader(Images(), 4), resize))
    with pytest.raises(
        ValueError, match=r"come at 32x32 where .* 16x16.*made again.*size the loader"
    ):
        next(resize.batches(loader))


def test_a_loader_that_was_used_before_is_no_excuse() -> None:
    resize = progressive()
    loader = sized(DataLoader(Images(), 4), resize)
    assert {images.shape[-1] for images, _ in resize.batches(loader)} == {16}
    with pytest.raises(ValueError, match="made again"):
        next(resize.batches(DataLoader(loader.dataset, 4)))


def test_the_loader_of_another_run() -> None:
    loader = sized(DataLoader(Images(), 4), WHOLE.plan(total_steps=BATCHES))
    with pytest.raises(ValueError, match="sized for another run"):
        next(progressive().batches(loader))


def test_at_full_size_nothing_is_lost() -> None:
    resize = ProgressiveResize(WHOLE, total_steps=BATCHES)
    loader = DataLoader(sized(DataLoader(Images(), 4), resize).dataset, 4)
    assert {images.shape[-1] for images, _ in resize.batches(loader)} == {FULL}


def test_batches_of_a_sampler_around_the_sized_one() -> None:
    resize = progressive()
    first: Any = sized(DataLoader(Images(), 4), resize)

    class Outer:
        def __iter__(self) -> Any:
            yield from first.batch_sampler

    loader = DataLoader(first.dataset, batch_sampler=Outer())  # type: ignore[arg-type]
    assert {images.shape[-1] for images, _ in resize.batches(loader)} == {16}
    assert resize.mismatched == 0


def test_other_data_is_resized_on_the_device_after_it() -> None:
    resize = progressive()
    loader = sized(DataLoader(Images(), 4), resize)
    for each in (
        loader,
        DataLoader(Images(), 4),
        [next(iter(DataLoader(Images(), 4)))],
    ):
        assert all(images.shape[-1] < FULL for images, _ in resize.batches(each))
