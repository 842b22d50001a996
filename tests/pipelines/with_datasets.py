"""Data sets and processors of Hugging Face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset as Table
from datasets import Image as ImageColumn
from tests.pipelines import pictures
from tests.pipelines.classification import resized, to_float
from tests.pipelines.data import classified, images_of, load
from tests.pipelines.rows import FULL, Seen, Setup, row
from torchvision.transforms import v2
from transformers import ViTImageProcessor

from upsize.loading import current_size

GROUP = "Hugging Face"


def table(height: int = 80, width: int = 96) -> Any:
    images = [pictures.pil(index, height, width) for index in range(4)]
    data = Table.from_dict({"image": images, "label": [0, 1, 0, 1]})
    return data.cast_column("image", ImageColumn())


def stacked(samples: Any) -> Any:
    """Collate as the examples of transformers do."""
    return {
        "pixel_values": torch.stack([each["pixel_values"] for each in samples]),
        "labels": torch.tensor([each["label"] for each in samples]),
    }


def valued(batch: Any) -> Seen:
    return Seen(images_of(batch["pixel_values"]), rest=batch["labels"])


@row(GROUP, "`set_transform` with a function around a `Compose`")
def _(folder: Path) -> Setup:
    train = v2.Compose([v2.RandomResizedCrop(FULL), *to_float()])

    def transforms(examples: Any) -> Any:
        images = [image.convert("RGB") for image in examples["image"]]
        examples["pixel_values"] = [train(image) for image in images]
        return examples

    data = table()
    data.set_transform(transforms)
    return Setup(load(data, collate_fn=stacked), valued)


@row(GROUP, "`with_transform` with a method of an object")
def _(folder: Path) -> Setup:
    class Augmentation:
        def __init__(self) -> None:
            self.crop = v2.Compose([v2.RandomResizedCrop(FULL), *to_float()])

        def __call__(self, examples: Any) -> Any:
            pixels = [self.crop(image) for image in examples["image"]]
            return {"pixel_values": pixels, "label": examples["label"]}

    data = table().with_transform(Augmentation())
    return Setup(load(data, collate_fn=stacked), valued)


def processor() -> Any:
    return ViTImageProcessor(size={"height": FULL, "width": FULL}, do_normalize=False)


@row(
    GROUP,
    "An image processor in `set_transform`",
    says="current_size()",
    line="loader = sized(loader, resize, set_size=set_size)",
)
def _(folder: Path) -> Setup:
    process = processor()

    def transforms(examples: Any) -> Any:
        found = process(examples["image"], return_tensors="pt")
        return {"pixel_values": found["pixel_values"], "label": examples["label"]}

    def set_size(dataset: Any, size: Any) -> None:
        process.size = {"height": size.height, "width": size.width}

    data = table()
    data.set_transform(transforms)
    names = {"set_size": set_size}
    return Setup(load(data, collate_fn=stacked), valued, names)


@row(
    GROUP,
    "An image processor in `collate_fn`, which reads `current_size()`",
    says="current_size()",
    line="loader = sized(loader, resize, set_size=lambda dataset, size: None)",
)
def _(folder: Path) -> Setup:
    process = processor()

    def collate(samples: Any) -> Any:
        now = current_size()
        height, width = (FULL, FULL) if now is None else now.size
        images = [each["image"] for each in samples]
        size = {"height": height, "width": width}
        found = process(images, size=size, return_tensors="pt")
        return {**found, "labels": torch.tensor([each["label"] for each in samples])}

    return Setup(load(table(), collate_fn=collate), valued)


@row(
    GROUP, "An image processor before training, by `map`", says="transform", device=True
)
def _(folder: Path) -> Setup:
    process = processor()

    def prepare(examples: Any) -> Any:
        return process(examples["image"], return_tensors="pt")

    data = table().map(prepare, batched=True, remove_columns=["image"])
    data.set_format("torch")
    return Setup(load(data, collate_fn=stacked), valued)


@row(GROUP, "A table of Hugging Face inside a dataset of your own")
def _(folder: Path) -> Setup:
    class Wrapped(torch.utils.data.Dataset[Any]):
        def __init__(self) -> None:
            self.data, self.transform = table(), resized()

        def __len__(self) -> int:
            return len(self.data)

        def __getitem__(self, index: int) -> Any:
            each = self.data[index]
            return self.transform(each["image"]), each["label"]

    return Setup(load(Wrapped()), classified())
