"""Small images in fewer, larger batches train to the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fastai.callback.core import Callback, CancelTrainException
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.training import GradientAccumulation, GradientClip
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.transforms import IntToFloatTensor, ToTensor
from fastai.learner import Recorder
from fastai.vision.augment import Resize
from tests.adapters.fastai.merging import Images, Photographs, learner, loaders, weights
from torch.utils.data import BatchSampler, SequentialSampler
from torch.utils.data import DataLoader as TorchLoader

from upsize.fastai import ProgressiveResize, sized
from upsize.schedule import Grow


def fitted(dls: Any, merge: Any, *cbs: Any, samples: int = 32, **more: Any) -> Any:
    learn = learner(dls, merge, *cbs, samples=samples)
    learn.fit_one_cycle(3, 1e-2, **more)
    return learn


def of_torch(n: int, **more: Any) -> Any:
    train = TorchLoader(Images(n), **more)
    return DataLoaders(train, TorchLoader(Images(8), batch_size=4))


def batches_of(n: int) -> Any:
    """Give batches of a sampler, whose length a loader does not say."""
    return of_torch(
        n, batch_sampler=BatchSampler(SequentialSampler(range(n)), 4, False)
    )


RUNS: dict[str, tuple[Any, int, list[Any], dict[str, Any]]] = {
    "the last batch is short": (lambda: loaders(75), 32, [], {}),
    "all batches are whole": (lambda: loaders(76), 32, [], {}),
    "the last batch is dropped": (lambda: loaders(75, drop_last=True), 32, [], {}),
    "short windows": (lambda: loaders(75), 12, [], {}),
    "windows of no whole number of batches": (lambda: loaders(61), 30, [], {}),
    "workers": (lambda: loaders(40, num_workers=2), 16, [], {}),
    "a loader of PyTorch": (lambda: of_torch(75, batch_size=4), 32, [], {}),
    "a batch sampler": (lambda: batches_of(75), 32, [], {}),
    "clipped and mixed": (
        lambda: loaders(75),
        32,
        [GradientClip, lambda: MixedPrecision("bf16")],
        {},
    ),
    "a later epoch": (lambda: loaders(75), 32, [], {"start_epoch": 1}),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_weights_are_those_of_the_unmerged_run(name: str) -> None:
    make, samples, cbs, more = RUNS[name]
    plain, merged = (
        fitted(make(), merge, *(cb() for cb in cbs), samples=samples, **more)
        for merge in (False, True)
    )
    assert torch.allclose(weights(merged), weights(plain), rtol=0, atol=1e-9)
    assert merged.watch.stepped == plain.watch.stepped
    assert merged.watch.counted == plain.watch.counted
    assert len(merged.model.passes) < len(plain.model.passes)
    # What fastai records and plots.
    assert merged.recorder.lrs == plain.recorder.lrs
    assert merged.recorder.hps == plain.recorder.hps
    assert merged.recorder.iters == plain.recorder.iters
    assert len(merged.recorder.losses) == len(plain.recorder.losses)
    for mine, theirs in zip(merged.recorder.values, plain.recorder.values, strict=True):
        assert list(mine) == pytest.approx(list(theirs), rel=1e-3)


def test_the_passes_that_the_windows_say() -> None:
    # Windows of eight batches, which go on over the end of an epoch.
    learn = fitted(loaders(75), True)
    assert learn.model.passes[:6] == [(16, 8)] * 4 + [(8, 8), (3, 8)]


@pytest.mark.parametrize(
    ("merge", "expected"),
    [(8, [8] * 4), (12, [12, 12, 8]), ({8: 32, 12: 8, 16: 4}, [32])],
)
def test_limits(merge: Any, expected: list[int]) -> None:
    learn = fitted(loaders(64), merge)
    assert [n for n, _ in learn.model.passes[: len(expected)]] == expected
    plain = fitted(loaders(64), False)
    assert torch.allclose(weights(learn), weights(plain), rtol=0, atol=1e-9)


def test_an_epoch_that_is_left_within_a_window() -> None:
    class Leaves(Callback):
        run_valid = False
        order = 80

        def after_batch(self) -> None:
            if self.iter == 9:
                raise CancelTrainException

    # The batches that wait are trained on in the next epoch, which ends their window.
    plain, merged = (fitted(loaders(75), merge, Leaves()) for merge in (False, True))
    assert torch.allclose(weights(merged), weights(plain), rtol=0, atol=1e-9)
    assert merged.watch.stepped == plain.watch.stepped


def test_training_metrics() -> None:
    plain, merged = (learner(loaders(75), merge) for merge in (False, True))
    for learn in (plain, merged):
        learn.recorder.train_metrics = True
        learn.fit(1, 1e-2)
    column = list(plain.recorder.metric_names).index("train_accuracy") - 1
    assert merged.recorder.values[0][column] == pytest.approx(
        plain.recorder.values[0][column]
    )


def test_without_a_recorder() -> None:
    learn = learner(loaders(64), True)
    learn.remove_cb(Recorder)
    learn.fit(3, 1e-2)
    assert len(learn.model.passes) < 48


def test_a_callback_that_logs_each_batch() -> None:
    class Logs(Callback):
        order, run_valid = 65, False

        def before_fit(self) -> None:
            self.logged: list[Any] = []

        def after_batch(self) -> None:
            loss = self.loss.detach().item()
            self.logged.append((float(self.smooth_loss), loss))

    learn = fitted(loaders(64), True, Logs())
    assert learn.logs.logged[:3] == [(0, 0)] * 3
    smooth = float(learn.recorder.losses[3])
    assert learn.logs.logged[3] == pytest.approx((smooth, smooth))


def test_fine_tuning() -> None:
    plain, merged = (
        learner(loaders(75), merge, splitter=lambda model: [
            list(model.net[0].parameters()), list(model.net[4].parameters())
        ])
        for merge in (False, True)
    )  # fmt: skip
    for learn in (plain, merged):
        learn.fine_tune(2, 1e-2)
    assert torch.allclose(weights(merged), weights(plain), rtol=0, atol=1e-9)
    assert len(merged.model.passes) < len(plain.model.passes)


def test_sized_loaders() -> None:
    found = []
    for merge in (False, True):
        settings: dict[str, Any] = {
            "bs": 4, "num_workers": 0, "after_item": [Resize(16), ToTensor],
            "after_batch": [IntToFloatTensor],
        }  # fmt: skip
        made = [TfmdDL(Photographs(n), **settings) for n in (61, 8)]
        dls = sized(DataLoaders(*made, device="cpu"))
        learn = fitted(dls, merge)
        assert learn.progressive_resize.mismatched == 0
        found.append(learn)
    plain, merged = found
    assert torch.allclose(weights(merged), weights(plain), rtol=0, atol=1e-9)
    assert len(merged.model.passes) < len(plain.model.passes)


def test_two_fits() -> None:
    plain, merged = (learner(loaders(64), merge) for merge in (False, True))
    for learn in (plain, merged):
        learn.fit(3, 1e-2)
        learn.fit(3, 1e-2)
    assert torch.allclose(weights(merged), weights(plain), rtol=0, atol=1e-9)


def test_without_accumulation() -> None:
    learn = learner(loaders(64), True, samples=None)
    with pytest.raises(ValueError, match="the learner has no GradientAccumulation"):
        learn.fit(3)


@pytest.mark.parametrize("samples", [1, 4])
def test_windows_of_one_batch(samples: int) -> None:
    with pytest.raises(
        ValueError, match=rf"GradientAccumulation\({samples}\) steps after"
    ):
        fitted(loaders(64), True, samples=samples)


def test_a_limit_below_the_batch() -> None:
    with pytest.raises(ValueError, match=r"3 images .* one batch of the loader has 4"):
        fitted(loaders(64), 3)


def test_batches_of_several_lengths() -> None:
    data = list(range(64))
    batches = [data[:4], data[4:7], *(data[n : n + 4] for n in range(7, 63, 4))]
    with pytest.raises(ValueError, match=r"cannot concatenate .* no row for each"):
        fitted(of_torch(64, batch_sampler=batches), True)


def test_accumulation_that_is_added_to_a_fit() -> None:
    learn = learner(loaders(64), True, samples=None)
    learn.fit(3, 1e-2, cbs=GradientAccumulation(32))
    assert learn.model.passes[0] == (16, 8)


def test_a_batch_that_grows() -> None:
    grow: Any = Grow(64, batch=16)
    message = r"batch_size=Grow\(64.* does not work with fastai.*merge=True"
    with pytest.raises(ValueError, match=message):
        ProgressiveResize(batch_size=grow)
