"""What fastxtend documents of its ProgressiveResize, as upsize does it.

The sizes of its own runs are in tests/core/schedule/test_oracle.py, and its constructor
in test_settings.py. Here is what its page says of each option, on real fits; fastai.md
lists what differs on purpose.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.vision.augment import AffineCoordTfm, aug_transforms
from tests.adapters.fastai.tools import (
    BATCHES,
    SIDE,
    Seen,
    callback,
    learner,
    loaders,
    planned,
)
from torch.utils.data import DataLoader, TensorDataset

from upsize.fastai import IncreaseMode, ProgressiveResize
from upsize.schedule import Ramp

EPOCHS = 8


def sizes(dls: Any = None, *cbs: Any, epochs: int = EPOCHS, **options: Any) -> Any:
    """Fit, and return the sizes of training, those of validation, and the callback."""
    resize, seen = callback(**options), Seen()
    learner(loaders() if dls is None else dls, resize, seen, *cbs).fit(epochs)
    return seen.train, seen.valid, resize


@pytest.mark.parametrize(
    ("options", "epochs", "message"),
    [
        (  # its example of 25 epochs on 74 batches
            {"start": 0.2, "finish": 0.8},
            25,
            "112x112 until epoch 5, then +4 px every 0.56 epochs, 224x224 from epoch 20",
        ),
        (  # and the one that resizes before an epoch, in 20
            {"start": 0.2, "finish": 0.8, "increase_mode": "epoch"},
            20,
            "112x112 until epoch 9, then +14 px every epoch, 224x224 from epoch 16",
        ),
    ],
)
def test_its_examples(options: Any, epochs: int, message: str) -> None:
    plan = Ramp(final_size=224, **options).plan(epochs=epochs, steps_per_epoch=74)
    assert plan.summary() == message


@pytest.mark.parametrize("initial_size", [0.5, (16, 16), 16])
def test_the_first_size_is_a_share_or_pixels(initial_size: Any) -> None:
    assert sizes(initial_size=initial_size)[0] == sizes()[0]


@pytest.mark.parametrize("mode", list(IncreaseMode))
def test_moments_are_shares_of_training_or_epochs_from_0(mode: IncreaseMode) -> None:
    shares = sizes(start=0.25, finish=0.75, increase_mode=mode)[0]
    assert sizes(start=2, finish=6, increase_mode=mode)[0] == shares
    first = next(n for n, size in enumerate(shares) if size != (16, 16))
    if mode is IncreaseMode.Batch:
        assert first == 2 * BATCHES  # the first resize is at `start`
    assert shares.index((SIDE, SIDE)) == 6 * BATCHES  # and the last one at `finish`


@pytest.mark.parametrize("increase_by", [2, 4, 8])
def test_increments_in_batches_and_least_increments_in_epochs(increase_by: int) -> None:
    by_batch = sorted(set(sizes(increase_by=increase_by)[0]))
    sides = [height for height, _ in by_batch]
    assert {b - a for a, b in pairwise(sides)} == {increase_by}
    train, *_ = sizes(increase_by=increase_by, increase_mode=IncreaseMode.Epoch)
    for epoch in range(EPOCHS):  # one size through an epoch
        assert len(set(train[epoch * BATCHES : (epoch + 1) * BATCHES])) == 1
    sides = sorted({height for height, _ in train})
    assert min(b - a for a, b in pairwise(sides)) >= increase_by


@pytest.mark.parametrize("resize_valid", [True, False])
def test_validation_is_resized_as_well_or_not(resize_valid: bool) -> None:
    train, valid, _ = sizes(resize_valid=resize_valid)
    last = train[BATCHES - 1 :: BATCHES]
    assert valid == (last if resize_valid else [(SIDE, SIDE)] * EPOCHS)


def test_the_full_size_is_found_or_given_for_loaders_of_pytorch() -> None:
    data = TensorDataset(torch.rand(16, 3, SIDE, SIDE), torch.zeros(16).long())
    dls = [DataLoaders(DataLoader(data, 4), DataLoader(data, 4)) for _ in range(2)]
    given = sizes(dls[0], final_size=(SIDE, SIDE), add_resize=True)
    found = sizes(dls[1])
    assert given[0] == found[0] == planned(found[2], range(EPOCHS * BATCHES))


class Blended(Callback):
    """Notes which values the model sees, beside those of the images."""

    order = 8

    def __init__(self) -> None:
        super().__init__()
        self.blended: set[bool] = set()

    def before_batch(self) -> None:
        if self.training and self.xb[0].shape[-1] < SIDE:
            values = set(self.xb[0].unique().tolist())
            self.blended.add(not values <= {0.0, 1.0})


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_the_mode_of_interpolation(mode: Any) -> None:
    images = torch.randint(2, (16, 3, SIDE, SIDE)).float()
    data = TensorDataset(images, torch.zeros(16).long())
    seen = Blended()
    sizes(DataLoaders(DataLoader(data, 4), DataLoader(data, 4)), seen, resize_mode=mode)
    assert seen.blended == {mode != "nearest"}


def test_batch_transforms_take_the_size_and_nothing_resizes_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from upsize.resize import _parsed_batch

    separate: list[Any] = []
    at = _parsed_batch.ParsedBatch.at
    monkeypatch.setattr(
        _parsed_batch.ParsedBatch,
        "at",
        lambda *a, **k: separate.append(a) or at(*a, **k),
    )
    dls = loaders(aug_transforms(size=SIDE))
    affine = next(t for t in dls.after_batch.fs if isinstance(t, AffineCoordTfm))
    during: list[Any] = []

    class Watch(Callback):
        def after_batch(self) -> None:
            during.append(affine.size)

    train, *_ = sizes(dls, Watch(), preallocate=False)
    assert train[0] == (16, 16)
    assert not separate
    assert set(during) == {SIDE}  # it is changed only while it transforms


@pytest.mark.parametrize("fit", ["fit", "fit_one_cycle", "fit_flat_cos", "fit_sgdr"])
def test_each_way_to_fit(fit: str) -> None:
    resize, seen = callback(), Seen()
    learn = learner(loaders(), resize, seen)
    arguments = (2, 4) if fit == "fit_sgdr" else (EPOCHS,)  # cycles of 4 and 8 epochs
    getattr(learn, fit)(*arguments)
    epochs = 12 if fit == "fit_sgdr" else EPOCHS
    assert seen.train == planned(resize, range(epochs * BATCHES))


def test_the_summary_is_printed_unless_told(capsys: Any) -> None:
    for verbose in (True, False):
        learner(loaders(), ProgressiveResize(verbose=verbose)).fit(EPOCHS)
        out = capsys.readouterr().out
        numbers = re.findall(r"\d+x\d+", out)
        assert numbers == (["16x16", "32x32"] if verbose else [])
