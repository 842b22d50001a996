"""The length of a pass whose batches are merged, for progress bars."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from tqdm import tqdm

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Phases

PHASES = Phases(phases=((0, 8), (1, 12), (2, 16)))


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(torch.rand(22, 3, 16, 16))

    def __len__(self) -> int:
        return 22


def loader(count: int = 22, **settings: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.rand(count, 3, 16, 16)), 2, **settings)


def run(batches: int, accumulate: int = 4, **more: Any) -> ProgressiveResize:
    given: dict[str, Any] = {"epochs": 3, "merge": True} | more
    return ProgressiveResize(
        PHASES, steps_per_epoch=batches, accumulate=accumulate, **given
    )


# The dataset of this one makes no small images.
@pytest.mark.filterwarnings("ignore:.*at another size than their step's")
@pytest.mark.parametrize("is_sized", [False, True], ids=["plain", "sized"])
@pytest.mark.parametrize(
    ("count", "accumulate", "merge"),
    [*itertools.product([22, 21, 16, 3], [4, 3], [True, 5])],
)
def test_it_is_that_of_the_batches_that_come(
    count: int, accumulate: int, merge: Any, is_sized: bool
) -> None:
    made = loader(count)
    resize = run(len(made), accumulate, merge=merge)
    drawn = made
    if is_sized:
        drawn = sized(made, resize, set_size=lambda *_: None)
    shorter = False
    for _ in range(3):
        batches = resize.batches(drawn)
        planned, came = len(batches), sum(resize.loss_weight > 0 for _ in batches)
        assert planned == came
        shorter = shorter or planned < len(made)
    assert shorter or count < 4


def test_a_progress_bar_reaches_its_end() -> None:
    made = loader()
    resize = run(len(made))
    for expected in (3, 11, 11):
        bar = tqdm(resize.batches(made), disable=False, leave=False)
        for _ in bar:
            assert resize.loss_weight
        assert bar.n == bar.total == expected


def test_the_rest_of_an_epoch() -> None:
    made, resize = loader(), run(11)
    for number, _ in enumerate(resize.batches(made)):
        assert resize.loss_weight
        if number == 0:
            break
    again = run(11)
    again.load_state_dict(resize.state_dict())
    rest = loader(14)
    assert len(again.batches(rest)) == 2
    assert sum(again.loss_weight > 0 for _ in again.batches(rest)) == 2


@pytest.mark.parametrize(
    "given",
    [[torch.rand(2, 3, 16, 16)] * 4, DataLoader(Stream(), 2), iter(loader())],
    ids=["list", "stream", "iterator"],
)
def test_where_batches_may_have_any_length_there_is_none(given: Any) -> None:
    with pytest.raises(TypeError, match="has no length here"):
        len(run(11).batches(given))


def test_nor_where_windows_go_on_through_epochs() -> None:
    resize = ProgressiveResize(
        Phases(phases=((0, 8), ("50%", 16))), total_steps=9, accumulate=4, merge=True
    )
    with pytest.raises(TypeError, match="has no length here"):
        len(resize.batches(loader()))
