"""Wrong use is refused where it is given, with how to mend it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from fastai.data.core import DataLoaders
from tests.adapters.fastai.tools import TFMS, Seen, callback, learner, loaders
from torch.utils.data import DataLoader, TensorDataset

from upsize.fastai import IncreaseMode, ProgressiveResize
from upsize.schedule import Phases, Ramp


def test_the_constructor_is_the_references() -> None:
    parameters = inspect.signature(ProgressiveResize).parameters
    assert [
        (name, parameter.default)
        for name, parameter in parameters.items()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ] == [
        ("initial_size", 0.5),
        ("start", 0.5),
        ("finish", 0.75),
        ("increase_by", 4),
        ("increase_mode", IncreaseMode.Batch),
        ("resize_mode", "bilinear"),
        ("resize_valid", True),
        ("final_size", None),
        ("add_resize", False),
        ("resize_targ", False),
        ("preallocate_bs", None),
        ("preallocate", True),
        ("empty_cache", False),
        ("verbose", True),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial_size": 0.0}, "initial_size"),
        ({"increase_by": 0}, "increase_by"),
        ({"start": 0.8}, "finish=0.75 comes before start=0.8"),
        ({"resize_mode": "cubic"}, "resize_mode must be one of .*, not 'cubic'"),
        ({"when_frozen": "never"}, "when_frozen must be one of .*, not 'never'"),
        ({"preallocate_bs": 0}, "preallocate_bs must be a whole number"),
        ({"empty_cache": True}, "empty_cache=True needs increase_mode"),
        (
            {"empty_cache": True, "schedule": Phases(phases=[(0, 16), (2, 32)])},
            "empty_cache=True needs increase_mode",
        ),
        ({"schedule": Ramp(), "start": 0.4}, "start cannot be combined with schedule="),
    ],
)
def test_at_construction(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProgressiveResize(**arguments)


def refused(message: str, dls: Any, **arguments: Any) -> None:
    learn = learner(dls, callback(**arguments))
    calls: list[int] = []
    learn.model[0].register_forward_pre_hook(lambda *_: calls.append(1))
    with pytest.raises(ValueError, match=message):
        learn.fit(4)
    assert not calls
    assert not learn.metrics


@pytest.mark.parametrize("tfms", ["aug", "sized", "crop"])
def test_resize_targ_without_a_resize_step(tfms: str) -> None:
    refused("needs a separate resize step", loaders(TFMS[tfms]()), resize_targ=True)


@pytest.mark.parametrize("mode", ["area", "nearest-exact"])
def test_a_mode_that_the_transforms_do_not_have(mode: str) -> None:
    refused(f"'{mode}' does not work", loaders(TFMS["sized"]()), resize_mode=mode)


@pytest.mark.parametrize(
    "mode", ["bilinear", "bicubic", "nearest", "nearest-exact", "area"]
)
@pytest.mark.parametrize("tfms", ["none", "aug"])
def test_modes_that_there_are(mode: Any, tfms: str) -> None:
    learner(loaders(TFMS[tfms]()), callback(resize_mode=mode)).fit(2)


def tensors(side: int, n: int = 16) -> Any:
    labels = torch.zeros(n, dtype=torch.int64)
    return DataLoader(TensorDataset(torch.rand(n, 3, side, side), labels), 4)


@pytest.mark.parametrize(("side", "last"), [(48, [28, 32]), (24, [24, 24])])
def test_validation_images_of_another_size(side: int, last: list[int]) -> None:
    dls = DataLoaders(tensors(32), tensors(side), device="cpu")
    seen = Seen()
    with pytest.warns(UserWarning, match=f"validation images are {side}x{side} and"):
        learner(dls, callback(), seen).fit(4)
    assert [size for size, _ in seen.train[3::4]] == [16, 16, 28, 32]
    assert [size for size, _ in seen.valid[3::4]] == [16, 16, *last]


def test_small_validation_images_in_the_batch_transforms() -> None:
    small = loaders(TFMS["aug"](), height=24, width=24)
    dls = DataLoaders(loaders(TFMS["aug"]()).train, small.valid)
    seen = Seen()
    with pytest.warns(UserWarning, match="validation images are 24x24 and"):
        learner(dls, callback(), seen).fit(4)
    assert [size for size, _ in seen.valid] == [16, 16, 24, 24]


def test_a_batch_without_images() -> None:
    data = DataLoader(TensorDataset(torch.rand(16, 3), torch.zeros(16)), 4)
    refused("the training images: no image", DataLoaders(data, [], device="cpu"))


@pytest.mark.parametrize("count", [1, 2])
def test_the_cache_is_emptied_before_an_epoch_of_another_size(
    count: int, monkeypatch: Any
) -> None:
    emptied: list[int] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    # fastai asks for the number of GPUs, too, and would then use them.
    monkeypatch.setattr("upsize.fastai._checks.device_count", lambda: count)
    resize = callback(increase_mode=IncreaseMode.Epoch, empty_cache=True)
    learn = learner(loaders(), resize)
    if count > 1:
        with pytest.warns(UserWarning, match="there are 2"):
            learn.fit(8)
    else:
        learn.fit(8)
    assert resize.plan is not None
    assert len(emptied) == len(resize.plan.stages) == 3
