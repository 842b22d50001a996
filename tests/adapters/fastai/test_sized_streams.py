"""Streams in real fits: the workers make what the step needs."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.load import DataLoader
from tests.adapters.fastai.photographs import FULL
from tests.adapters.fastai.tools import Seen, callback, learner, planned
from tests.adapters.streams import LongStream, Stream
from torch.utils.data import DataLoader as TorchLoader

from upsize.fastai import sized

EPOCHS, BATCHES = 3, 7


class Labelled(LongStream):
    """Has the labels, and the images, that a Learner trains on."""

    def __iter__(self) -> Any:
        return ((image / 255, label % 2) for image, label in super().__iter__())


class Batches(Labelled):
    """Makes its batches by itself."""

    def __iter__(self) -> Any:
        samples = super().__iter__()
        while some := list(islice(samples, 4)):
            yield torch.utils.data.default_collate(some)

    def __len__(self) -> int:
        return BATCHES


@pytest.mark.parametrize(
    ("make", "accumulate"),
    [
        (lambda data: TorchLoader(data, 4, num_workers=1), 8),
        (lambda data: DataLoader(data, bs=4, num_workers=0), 1),
        (lambda data: DataLoader(data, bs=4, num_workers=1), 8),
        (lambda _: TorchLoader(Batches(), None), 1),
    ],
    ids=["torch, worker", "fastai", "fastai, worker", "batches"],
)
def test_sizes_and_samples(make: Any, accumulate: int) -> None:
    orders = []
    for small in (True, False):
        resize, seen = callback(final_size=FULL), Seen()
        loader = make(Labelled())
        dls = DataLoaders(sized(loader, resize) if small else loader, [])
        learner(dls, resize, seen, GradientAccumulation(accumulate)).fit(EPOCHS)
        orders.append([y.tolist() for _, (y,) in seen.batches])
        assert resize.mismatched == 0
        if accumulate == 1:
            assert seen.train == planned(resize, range(EPOCHS * BATCHES))
        assert len({*seen.train}) >= 3
    assert orders[0] == orders[1]
    assert len(orders[0]) == EPOCHS * BATCHES


def test_without_a_length_it_is_refused() -> None:
    for loader in (TorchLoader(Stream(), 4), TfmdDL(Stream(), bs=4, num_workers=0)):
        with pytest.raises(ValueError, match=r"no length, and fastai .* with n="):
            sized(loader, callback(final_size=FULL))


def test_without_a_full_size_it_is_refused() -> None:
    with pytest.raises(ValueError, match="LongStream cannot be asked for a sample"):
        sized(TorchLoader(LongStream(), 4))
