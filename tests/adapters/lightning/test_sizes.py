"""Every batch has the size of its step, however steps are counted."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities import CombinedLoader
from tests.adapters.lightning.tools import (
    Module,
    callback,
    dataset,
    fit,
    loader,
    planned,
    trainer,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from upsize.resize import Resizer
from upsize.schedule import Ramp


@pytest.mark.parametrize(
    ("more", "total", "batches"),
    [
        ({"limit_train_batches": 3}, 12, 12),
        ({"max_steps": 13, "max_epochs": -1}, 13, 13),
        ({"max_steps": 7}, 7, 7),
        ({"overfit_batches": 2}, 8, 8),
    ],
)
@pytest.mark.filterwarnings("ignore:You requested to overfit but enabled training")
def test_limits(more: dict[str, Any], total: int, batches: int, tmp_path: Path) -> None:
    resize = callback()
    module = fit(tmp_path, resize, **more)
    assert resize.plan.total_steps == total
    assert module.widths == planned(resize, range(batches))
    assert module.widths[-1] == 32


@pytest.mark.parametrize(
    ("own", "more", "total", "taken"),
    [
        ({}, {}, 14, 14),
        ({}, {"max_steps": 12}, 12, 12),
        ({"total_steps": 13}, {}, 13, 14),
        ({}, {"max_steps": 12, "max_epochs": -1}, 12, 12),
    ],
)
def test_a_changing_window(
    own: dict[str, Any], more: dict[str, Any], total: int, taken: int, tmp_path: Path
) -> None:
    resize, module = callback(**own), Module()
    scheduler = GradientAccumulationScheduler({0: 1, 2: 4})
    trainer(tmp_path, resize, scheduler, **more).fit(module, loader())
    assert resize.plan.total_steps == total
    assert len(set(module.steps)) == taken
    assert module.widths == planned(resize, module.steps)
    assert module.widths[-1] == 32


def test_a_changing_window_has_no_epochs_to_count(tmp_path: Path) -> None:
    resize = callback(Ramp(initial_size=16, increase_by=8, start=1, finish=2))
    scheduler = GradientAccumulationScheduler({0: 1, 2: 4})
    with pytest.raises(ValueError, match="give steps_per_epoch") as caught:
        trainer(tmp_path, resize, scheduler).fit(Module(), loader())
    assert "give moments as shares" in caught.value.__notes__[0]


class TwoOptimizers(Module):
    """Manual optimisation: global_step counts both optimizers."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        loss = super().training_step(batch, batch_idx)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD(self.net[0].parameters(), 0.1),
            torch.optim.SGD(self.net[4].parameters(), 0.1),
        ]


def test_manual_optimisation_with_two_optimizers(tmp_path: Path) -> None:
    resize = callback()
    module = fit(tmp_path, resize, TwoOptimizers())
    assert module.steps[-1] == 38
    assert module.widths == planned(resize, range(20))


def test_manual_optimisation_that_max_steps_ends(tmp_path: Path) -> None:
    resize = callback()
    module = fit(tmp_path, resize, TwoOptimizers(), max_steps=20)
    assert module.widths == planned(resize, range(0, 20, 2))
    assert module.widths[-1] == 32


def test_manual_optimisation_with_a_given_length_counts_batches(
    tmp_path: Path,
) -> None:
    resize = callback(total_steps=10)
    module = fit(tmp_path, resize, TwoOptimizers(), max_epochs=2)
    assert module.widths == planned(resize, range(10))
    assert module.widths[-1] == 32


def test_manual_optimisation_without_epochs_counts_steps(tmp_path: Path) -> None:
    resize = callback()
    more = {"max_epochs": -1, "max_steps": 20}
    module = fit(tmp_path, resize, TwoOptimizers(), **more)
    assert module.widths == planned(resize, range(0, 20, 2))
    assert module.widths[-1] == 32


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        data = dataset()
        yield from (data[index] for index in range(20))


class TestWithoutLength:
    def test_sizes_change_between_epochs(self, tmp_path: Path) -> None:
        resize, module = callback(), Module()
        with pytest.warns(UserWarning, match="no length: the schedule counts epochs"):
            trainer(tmp_path, resize).fit(module, DataLoader(Stream(), batch_size=4))
        assert module.widths == [16] * 10 + [24] * 5 + [32] * 5

    def test_with_max_steps_they_change_at_any(self, tmp_path: Path) -> None:
        resize, module = callback(), Module()
        trainer(tmp_path, resize, max_steps=20).fit(
            module, DataLoader(Stream(), batch_size=4)
        )
        assert module.widths == planned(resize, range(20))

    def test_shorter_than_said(self, tmp_path: Path) -> None:
        resize, module = callback(total_steps=100), Module()
        with pytest.warns(UserWarning, match=r"ended at 16x16.*100 optimizer steps"):
            trainer(tmp_path, resize).fit(module, DataLoader(Stream(), batch_size=4))

    def test_without_end(self, tmp_path: Path) -> None:
        resize = callback()
        with pytest.raises(ValueError, match=r"no end .* give .* total_steps"):
            trainer(tmp_path, resize, max_epochs=-1, max_steps=-1).fit(
                Module(), loader()
            )


Pair = namedtuple("Pair", ["images", "labels"])  # noqa: PYI024 - what users have


@dataclass
class Batch:
    images: Tensor
    labels: Tensor

    def to(self, *_: Any, **__: Any) -> Batch:
        return self


def collated(kind: str, samples: list[Any]) -> Any:
    images = torch.stack([image for image, _ in samples])
    labels = torch.stack([label for _, label in samples])
    if kind == "bare tensor":
        return images
    return {
        "list": [images, labels],
        "tuple": (images, labels),
        "dict": {"images": images, "labels": labels},
        "namedtuple": Pair(images, labels),
        "dataclass": Batch(images, labels),
    }[kind]


class AnyBatch(Module):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.kind: Any = type(batch)
        if isinstance(batch, Tensor):
            images, labels = batch, torch.zeros(len(batch), dtype=torch.long)
        elif isinstance(batch, dict) and "first" in batch:
            images, labels = batch["first"]
            assert batch["second"][0].shape == images.shape
        elif isinstance(batch, dict):
            images, labels = batch["images"], batch["labels"]
        elif isinstance(batch, (Pair, Batch)):
            images, labels = batch.images, batch.labels
        else:
            images, labels = batch
        return super().training_step((images, labels), batch_idx)


@pytest.mark.parametrize(
    "kind", ["list", "tuple", "dict", "namedtuple", "dataclass", "bare tensor"]
)
def test_every_container_is_rebuilt_and_never_mutated(
    kind: str, tmp_path: Path
) -> None:
    # Batches made once and given out again: a change in place would be seen.
    made = [collated(kind, [dataset()[4 * b + i] for i in range(4)]) for b in range(5)]
    resize, module = callback(), AnyBatch()
    data: Any = DataLoader(made, batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]
    trainer(tmp_path, resize).fit(module, data)
    assert module.widths == planned(resize, range(20))
    assert module.kind is type(made[0])
    assert all(Resizer().read(batch).size == (32, 32) for batch in made)


def test_a_combined_loader(tmp_path: Path) -> None:
    resize, module = callback(), AnyBatch()
    data = CombinedLoader({"first": loader(), "second": loader()})
    trainer(tmp_path, resize).fit(module, data)
    assert module.widths == planned(resize, range(20))


class Augmenting(Module):
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        images, labels = batch
        assert images.shape[-1] == 32
        return nn.functional.interpolate(images, size=(32, 32)).flip(-1), labels


class AugmentingData(L.LightningDataModule):
    def train_dataloader(self) -> DataLoader[Any]:
        return loader()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        images, labels = batch
        assert images.shape[-1] == 32
        return images.flip(-1), labels


def test_the_user_s_augmentation_comes_first(tmp_path: Path) -> None:
    resize, module = callback(), Augmenting()
    trainer(tmp_path, resize).fit(module, loader())
    assert module.widths == planned(resize, range(20))
    resize, other = callback(), Module()
    trainer(tmp_path, resize).fit(other, datamodule=AugmentingData())
    assert other.widths == planned(resize, range(20))


# On a CPU Lightning takes bf16 for 16-mixed, and says so.
@pytest.mark.filterwarnings("ignore:.*AMP with fp16 is not supported on CPU")
@pytest.mark.parametrize(
    "precision", ["bf16-true", "bf16-mixed", "16-mixed", "64-true"]
)
def test_precisions(precision: Any, tmp_path: Path) -> None:
    resize = callback()
    module = fit(tmp_path, resize, precision=precision)
    assert module.widths == planned(resize, module.steps)
