"""Streams in the real Trainer: their workers make what the step needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from tests.adapters.transformers.test_sized import RAMP, Crops, Raw
from tests.adapters.transformers.tools import BATCH, BATCHES, planned, trainer
from torch.utils.data import IterableDataset
from torchvision.transforms import v2

COUNT = BATCH * BATCHES
STEPS = 12
DISPATCHED: dict[str, bool] = {}
OWN = {"dispatch_batches": False}


class Stream(IterableDataset[Any]):
    """Makes the samples one after the other, and knows no length."""

    def __init__(self) -> None:
        self.crops = Crops()

    def __iter__(self) -> Iterator[Any]:
        yield from (self.crops[index] for index in range(COUNT))


class LongStream(Stream):
    def __len__(self) -> int:
        return COUNT


def crops(rows: dict[str, Any]) -> dict[str, Any]:
    images = torch.as_tensor(np.array(rows["image"]), dtype=torch.uint8)
    return {"pixel_values": list(CROP(images)), "labels": rows["labels"]}


CROP = v2.Compose([v2.RandomResizedCrop(32), v2.ToDtype(torch.float32, scale=True)])


def rows() -> dict[str, Any]:
    return {
        "image": np.zeros((COUNT, 3, 40, 40), np.uint8),
        "labels": [n % 2 for n in range(COUNT)],
    }


def mapped() -> Any:
    """Give a stream of the Hub's library, whose function makes a batch of rows."""
    data = datasets.Dataset.from_dict(rows()).to_iterable_dataset(num_shards=2)
    return data.map(crops, batched=True, batch_size=BATCH, remove_columns=["image"])


def transformed() -> Any:
    """Give a data set of the Hub's library that makes the samples it is asked for."""
    return datasets.Dataset.from_dict(rows()).with_transform(crops)


def check(made: Any, steps: int = STEPS, first: int = 0) -> None:
    assert made.seen == planned(made)
    assert sorted({step for step, *_ in made.seen}) == list(range(first, steps))
    assert made.mismatched == 0


@pytest.mark.parametrize(
    ("kind", "settings", "window", "workers"),
    [
        (Stream, DISPATCHED, 2, 0),
        (LongStream, OWN, 2, 0),
        (Stream, {"split_batches": True}, 1, 1),
    ],
)
def test_the_loader_makes_the_size_of_the_step(
    kind: Any, settings: Any, window: int, workers: int, tmp_path: Path
) -> None:
    made: Any = trainer(
        tmp_path, kind=Raw, schedule=RAMP, sized=True, train_dataset=kind(),
        max_steps=STEPS, gradient_accumulation_steps=window,
        accelerator_config=settings, dataloader_num_workers=workers,
    )  # fmt: skip
    made.train()
    check(made)
    assert len({width for *_, width in made.seen}) == 3
    if not workers:
        assert {*made.widths} == {width for *_, width in made.seen}


@pytest.mark.parametrize(
    ("kind", "settings", "step", "window", "ignore"),
    [
        (Stream, DISPATCHED, 4, 1, False),
        (Stream, OWN, 8, 1, False),  # beyond its first pass
        (Stream, OWN, 4, 2, True),
        (LongStream, DISPATCHED, 8, 2, False),
    ],
)
def test_resumed(
    kind: Any, settings: Any, step: int, window: int, ignore: bool, tmp_path: Path
) -> None:
    options = {
        "schedule": RAMP, "sized": True, "train_dataset": kind(), "max_steps": STEPS,
        "save_strategy": "steps", "save_steps": 4, "accelerator_config": settings,
        "ignore_data_skip": ignore, "gradient_accumulation_steps": window,
    }  # fmt: skip
    trainer(tmp_path, **options).train()
    made = trainer(tmp_path, **options)
    made.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{step}"))
    check(made, first=step)


def test_the_same_samples_in_the_same_order(tmp_path: Path) -> None:
    orders = []
    for sized in (False, True):
        data = Stream()
        trainer(
            tmp_path, schedule=RAMP, sized=sized, train_dataset=data, max_steps=STEPS,
            accelerator_config=OWN,
        ).train()  # fmt: skip
        orders.append(data.crops.indices)
    assert orders[0] == orders[1]
    assert len(orders[0]) > 2 * COUNT


@pytest.mark.parametrize(
    ("make", "settings", "workers"),
    [(mapped, DISPATCHED, 0), (mapped, OWN, 2), (transformed, OWN, 0)],
)
def test_of_the_hub(make: Any, workers: int, settings: Any, tmp_path: Path) -> None:
    made = trainer(
        tmp_path, schedule=RAMP, sized=True, train_dataset=make(), max_steps=STEPS,
        accelerator_config=settings, dataloader_num_workers=workers,
        remove_unused_columns=False,
    )  # fmt: skip
    made.train()
    check(made)


def test_outside_of_training_it_makes_the_full_size(tmp_path: Path) -> None:
    made = trainer(
        tmp_path, schedule=RAMP, sized=True, train_dataset=Stream(), max_steps=STEPS
    )
    loader = made.get_train_dataloader()
    assert {batch["pixel_values"].shape[-1] for batch in loader} == {32}


def test_with_workers_that_stay(tmp_path: Path) -> None:
    made = trainer(
        tmp_path, schedule=RAMP, sized=True, train_dataset=Stream(), max_steps=STEPS,
        dataloader_num_workers=1, dataloader_persistent_workers=True,
    )  # fmt: skip
    made.train()
    check(made)
