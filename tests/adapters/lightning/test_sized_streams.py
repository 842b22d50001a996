"""Streams in real fits: the workers make what the step needs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.tuner import Tuner
from tests.adapters.lightning.test_sized import WORKERS, Sizes, make
from tests.adapters.lightning.tools import Module, trainer
from tests.adapters.streams import LongStream, Stream
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader
from webdataset import WebLoader

from upsize.lightning import sized

EPOCHS, BATCHES = 3, 7
STEPS = EPOCHS * BATCHES

pytestmark = [
    pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined"),
    pytest.mark.filterwarnings("ignore:You requested to overfit"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # by torchdata
    pytest.mark.filterwarnings("ignore:You have overridden `on_before_batch"),
]
EPOCHS_COUNT = "ignore:the training data has no length"


class Net(Module):
    """Remembers which samples it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[list[int]] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        images, labels = batch
        self.samples.append(labels.tolist())
        return super().training_step((images / 255, labels % 2), batch_idx)


def plain(data: Any, kind: Any = DataLoader, **more: Any) -> Any:
    return kind(data, **({"batch_size": 4} | more))


def fit(path: Path, loader: Any, *callbacks: Any, **more: Any) -> tuple[Net, list[int]]:
    """Return the module, and the sizes as the loader gave them."""
    sizes, module = Sizes(), Net()
    start = more.pop("ckpt_path", None)
    fitted = trainer(path, *callbacks, **({"max_epochs": EPOCHS} | more))
    fitted.fit(sizes.watch(module), loader, ckpt_path=start)
    return module, sizes.came


def check_sizes(resize: Any, module: Net, came: list[int]) -> None:
    assert came == module.widths
    assert came == [resize.plan.size_at(step).width for step in range(STEPS)]
    assert len(set(came)) >= 3
    assert resize.mismatched == 0


def check(
    path: Path,
    data: Any,
    settings: dict[str, Any],
    workers: dict[str, Any],
    **more: Any,
) -> Any:
    torch.manual_seed(0)
    resize = make(**more)
    module, came = fit(path, sized(plain(data, **workers), resize), resize, **settings)
    torch.manual_seed(0)
    without, _ = fit(path, plain(data, **workers), **settings)
    planned = [resize.plan.size_at(step).width for step in module.steps]
    assert came == module.widths == planned
    assert len(set(planned)) >= 3
    assert resize.mismatched == 0
    assert module.steps == without.steps
    assert module.samples == without.samples
    return resize


@pytest.mark.parametrize(
    ("kind", "settings", "workers"),
    [
        (LongStream, {"accumulate_grad_batches": 3}, 2),
        (Stream, {"max_steps": STEPS, "max_epochs": -1}, 0),
        (Stream, {"limit_train_batches": 5}, 0),
        (Stream, {"overfit_batches": 5}, 0),
        (
            Stream,
            {
                "limit_train_batches": 6, "accumulate_grad_batches": 4,
                "val_check_interval": 5, "check_val_every_n_epoch": None,
            },
            1,
        ),
    ],
)  # fmt: skip
def test_sizes_and_samples(
    kind: Any, settings: dict[str, Any], workers: int, tmp_path: Path
) -> None:
    resize = check(tmp_path, kind(), settings, WORKERS[workers])
    assert resize.plan.total_steps <= STEPS


class Batches(Stream):
    """Makes its batches by itself."""

    def __iter__(self) -> Iterator[Any]:
        samples = super().__iter__()
        while some := list(islice(samples, 4)):
            yield torch.utils.data.default_collate(some)


@pytest.mark.parametrize(
    ("data", "batch_size"), [(Stream(), 4), (Batches(), None)], ids=["4", "None"]
)
def test_with_total_steps(data: Any, batch_size: int | None, tmp_path: Path) -> None:
    resize = make(total_steps=STEPS)
    loader = sized(plain(data, batch_size=batch_size), resize)
    check_sizes(resize, *fit(tmp_path, loader, resize))


@pytest.mark.filterwarnings(EPOCHS_COUNT)
@pytest.mark.parametrize("workers", [0, 1])
def test_without_a_length_the_schedule_counts_epochs(
    workers: int, tmp_path: Path
) -> None:
    resize = make()
    loader = sized(plain(Stream(), **WORKERS[workers]), resize)
    module, came = fit(tmp_path, loader, resize, max_epochs=5)
    assert resize.plan.total_steps == 5
    assert came == module.widths
    assert came == [
        resize.plan.size_at(epoch).width for epoch in range(5) for _ in range(BATCHES)
    ]
    assert len(set(came)) >= 3
    assert resize.mismatched == 0


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("step", [4, 10])
def test_a_state_within_an_epoch(step: int, workers: int, tmp_path: Path) -> None:
    saved = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    resize, settings = make(), {"num_workers": workers}
    whole, _ = fit(
        tmp_path, sized(plain(LongStream(), StatefulDataLoader, **settings), resize),
        resize, saved, enable_checkpointing=True,
    )  # fmt: skip
    assert resize.mismatched == 0
    resumed = make()
    module, came = fit(
        tmp_path, sized(plain(LongStream(), StatefulDataLoader, **settings), resumed),
        resumed, ckpt_path=str(tmp_path / f"step={step}.ckpt"),
    )  # fmt: skip
    assert module.steps == list(range(step, STEPS))
    assert module.samples == whole.samples[step:]
    assert came == [resumed.plan.size_at(step).width for step in module.steps]
    assert resumed.mismatched == 0


@pytest.mark.parametrize("small", [False, True])
def test_a_state_without_a_length(small: bool, tmp_path: Path) -> None:
    samples = []
    for start in (None, str(tmp_path / "step=11.ckpt")):
        resize, loader = make(), plain(Stream(), StatefulDataLoader)
        saved = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=11)
        module, came = fit(
            tmp_path, sized(loader, resize) if small else loader,
            *([resize] if small else []), *([] if start else [saved]),
            max_steps=STEPS, max_epochs=-1, ckpt_path=start,
            enable_checkpointing=not start,
        )  # fmt: skip
        samples.append(module.samples)
        if small:
            assert came == [resize.plan.size_at(step).width for step in module.steps]
            assert resize.mismatched == 0
    # Lightning draws a batch ahead, and leaves it out after a resume.
    whole, rest = samples
    assert len(rest) == STEPS - 11
    assert rest[:2] == whole[12:14]


def test_loaders_that_are_made_again(tmp_path: Path) -> None:
    resize = make()

    class Data(L.LightningDataModule):
        def train_dataloader(self) -> Any:
            return sized(plain(LongStream()), resize)

    check_sizes(
        resize, *fit(tmp_path, Data(), resize, reload_dataloaders_every_n_epochs=1)
    )


def test_a_web_loader(tmp_path: Path) -> None:
    resize = make()
    loader = sized(WebLoader(Stream(), batch_size=4), resize)
    check_sizes(resize, *fit(tmp_path, loader, resize, max_steps=STEPS, max_epochs=-1))


def test_outside_of_training_it_makes_the_full_size(tmp_path: Path) -> None:
    resize, module, sizes = make(), Net(), Sizes()
    loader = sized(plain(Stream()), resize)
    assert {images.shape[-1] for images, _ in loader} == {32}
    fitted = trainer(tmp_path, resize, max_steps=STEPS, max_epochs=-1)
    Tuner(fitted).lr_find(sizes.watch(module), loader, num_training=3)
    assert {*sizes.came} == {32}
    assert {images.shape[-1] for images, _ in loader} == {32}


def test_a_copy_is_sized_for_the_same_run() -> None:
    resize = make()
    loader = copy.copy(sized(plain(LongStream(), StatefulDataLoader), resize))
    assert loader.resize is resize
    assert len(loader) == BATCHES
    assert isinstance(loader.dataset, LongStream)
    assert {images.shape[-1] for images, _ in loader} == {32}


def test_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="not a SizedLoader"):
        sized(sized(plain(Stream()), make()), make())
    with pytest.raises(ValueError, match="sized already"):
        sized(sized(plain(Stream(), StatefulDataLoader), make()), make())
