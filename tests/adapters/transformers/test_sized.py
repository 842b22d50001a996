"""Loaders of the real Trainer that make small images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.transformers.test_sizes import Stream
from tests.adapters.transformers.tools import (
    BATCH,
    BATCHES,
    Net,
    ResizedTrainer,
    Watched,
    arguments,
    planned,
    trainer,
    weights,
)
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import FakeData
from torchvision.transforms import v2
from transformers import Trainer

from upsize.loading import current_size
from upsize.schedule import Ramp
from upsize.transformers import ProgressiveResize, attach

RAMP = Ramp(increase_by=8, final_size=32)
COUNT = BATCH * BATCHES


class Crops(Dataset[Any]):
    """Makes samples by a transform that it holds, and notes their sizes."""

    def __init__(self) -> None:
        self.transform = v2.Compose(
            [
                v2.PILToTensor(),
                v2.RandomResizedCrop(32),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )
        self.data = FakeData(COUNT, (3, 48, 48))
        self.indices: list[int] = []

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        self.indices.append(index)
        image, label = self.data[index]
        return {"pixel_values": self.transform(image), "labels": label % 2}


class Function(Dataset[Any]):
    """As a dataset of `datasets` with set_transform: it holds a function."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        size = current_size()
        side = 32 if size is None else size.size.width
        return {"pixel_values": torch.rand(3, side, side), "labels": index % 2}


def nothing(dataset: Any, size: Any) -> None:
    """For a dataset that reads the size by itself."""


class Raw(ResizedTrainer):
    """Notes the widths that come from the loader."""

    def get_train_dataloader(self) -> Any:
        loader = super().get_train_dataloader()
        self.widths: list[int] = getattr(self, "widths", [])
        collate = loader.base_dataloader.collate_fn

        def noting(samples: Any) -> Any:
            batch = collate(samples)
            self.widths.append(batch["pixel_values"].shape[-1])
            return batch

        loader.base_dataloader.collate_fn = noting
        return loader


def widths(made: Any) -> list[int]:
    return [width for *_, width in made.seen]


def test_the_loader_makes_the_size_of_the_step(tmp_path: Path) -> None:
    made: Any = trainer(
        tmp_path, kind=Raw, schedule=RAMP, sized=True, train_dataset=Crops(),
        gradient_accumulation_steps=2,
    )  # fmt: skip
    made.train()
    assert made.seen == planned(made)
    assert made.widths == widths(made)
    assert len(set(widths(made))) == 3
    assert made.mismatched == 0


@pytest.mark.parametrize("persistent", [False, True])
def test_with_workers(persistent: bool, tmp_path: Path) -> None:
    made = trainer(
        tmp_path, schedule=RAMP, sized=True, train_dataset=Crops(),
        dataloader_num_workers=2, dataloader_persistent_workers=persistent,
    )  # fmt: skip
    made.train()
    assert made.seen == planned(made)
    assert made.mismatched == 0


def test_the_same_images_in_the_same_order(tmp_path: Path) -> None:
    orders = []
    for sized in (False, True):
        data = Crops()
        trainer(tmp_path, schedule=RAMP, sized=sized, train_dataset=data).train()
        orders.append(data.indices)
    assert orders[0] == orders[1]
    assert len(orders[0]) == 4 * COUNT


@pytest.mark.parametrize("step", [7, 10])
@pytest.mark.parametrize("ignore", [False, True])
def test_resumed(step: int, ignore: bool, tmp_path: Path) -> None:
    options = {
        "schedule": RAMP, "sized": True, "save_strategy": "steps", "save_steps": 1,
        "ignore_data_skip": ignore, "train_dataset": Crops(), "num_train_epochs": 4,
    }  # fmt: skip
    whole = trainer(tmp_path, **options)
    whole.train()
    made = trainer(tmp_path, **options)
    made.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{step}"))
    assert made.seen == planned(made)
    assert made.seen[0][0] == step
    assert made.mismatched == 0
    # Within an epoch the Trainer itself draws other crops than an uninterrupted run.
    if not ignore and step == 10:
        for name, value in weights(whole).items():
            assert torch.equal(weights(made)[name], value), name


def test_a_dataset_without_transforms(tmp_path: Path) -> None:
    made: Any = trainer(
        tmp_path, kind=Raw, schedule=RAMP, sized=True, set_size=nothing,
        train_dataset=Function(),
    )  # fmt: skip
    made.train()
    assert made.widths == widths(made)
    assert made.mismatched == 0


def test_a_loader_of_the_user_s(tmp_path: Path) -> None:
    class Base(Trainer):
        def get_train_dataloader(self) -> Any:
            return DataLoader(Crops(), BATCH)

    class Own(Watched, ProgressiveResize, Base):
        pass

    made: Any = trainer(tmp_path, kind=Own, schedule=RAMP, sized=True)
    made.train()
    assert made.seen == planned(made)
    assert made.mismatched == 0


def test_attached(tmp_path: Path) -> None:
    made = Trainer(Net(), arguments(tmp_path), train_dataset=Crops())
    resizing = attach(made, RAMP, sized=True, verbose=False, preallocate=True)
    loader = made.get_train_dataloader()
    # Outside of training it makes the full size.
    assert {batch["pixel_values"].shape[-1] for batch in loader} == {32}
    made.train()
    assert resizing.mismatched == 0
    assert resizing.size == (32, 32)


class TestRefused:
    def test_without_a_final_size(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"full size is not known.*final_size="):
            trainer(tmp_path, schedule=Ramp(), sized=True)

    def test_set_size_alone(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="give sized=True as well"):
            trainer(tmp_path, schedule=RAMP, set_size=nothing)

    def test_streams(self, tmp_path: Path) -> None:
        made = trainer(
            tmp_path, schedule=RAMP, sized=True, train_dataset=Stream(), max_steps=8,
            accelerator_config={"dispatch_batches": False},
        )  # fmt: skip
        with pytest.raises(ValueError, match="no transform of Stream has a size"):
            made.train()

    def test_a_dataset_whose_transforms_are_not_found(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, schedule=RAMP, sized=True)
        with pytest.raises(ValueError, match="no transform of Images"):
            made.train()
