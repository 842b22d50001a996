"""Epochs that are shorter or longer than the first one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fastai.callback.core import Callback, CancelTrainException
from fastai.data.core import DataLoaders
from tests.adapters.fastai.tools import Seen, callback, learner
from torch.utils.data import DataLoader, TensorDataset

from upsize.schedule import Phases

# Epochs 0 and 1, 2, 3.
EPOCHS = Phases(phases=((0, 16), (2, 24), (3, 32)), final_size=32)


def loader(batches: int) -> Any:
    images, labels = torch.rand(2 * batches, 3, 32, 32), torch.zeros(2 * batches)
    return DataLoader(TensorDataset(images, labels.long()), 2)


class Curriculum(Callback):
    """Gives each epoch a loader of its own."""

    def __init__(self, lengths: list[int]) -> None:
        super().__init__()
        self.lengths = lengths

    def before_epoch(self) -> None:
        self.learn.dls = DataLoaders(loader(self.lengths[self.epoch]), [], device="cpu")


class Ending(Callback):
    """Ends each epoch early."""

    def after_batch(self) -> None:
        if self.iter == 1:
            raise CancelTrainException


@pytest.mark.parametrize("lengths", [[5, 3, 2, 4], [2, 4, 6, 3], [4, 4, 4, 4]], ids=str)
def test_an_epoch_is_that_epoch(lengths: list[int]) -> None:
    seen = Seen()
    made = learner(
        DataLoaders(loader(lengths[0]), [], device="cpu"), seen, Curriculum(lengths),
        callback(schedule=EPOCHS, resize_valid=False, preallocate=False),
    )  # fmt: skip
    made.fit(4)
    sides = zip((16, 16, 24, 32), lengths, strict=True)
    assert seen.train == [(side, side) for side, n in sides for _ in range(n)]


def test_an_epoch_that_is_cancelled_is_that_epoch() -> None:
    seen = Seen()
    made = learner(
        DataLoaders(loader(5), [], device="cpu"), seen, Ending(),
        callback(schedule=EPOCHS, resize_valid=False, preallocate=False),
    )  # fmt: skip
    made.fit(4)
    assert [side for side, _ in seen.train] == [16] * 4 + [24] * 2 + [32] * 2
