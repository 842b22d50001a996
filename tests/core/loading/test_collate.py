"""A collate function that keeps the types of torchvision."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import pytest
import torch
from torch.utils.data import DataLoader, default_collate
from torchvision import tv_tensors

from upsize.loading import collate_tv_tensors
from upsize.resize import Resizer

CANVAS = (32, 32)


class Pair(NamedTuple):
    image: Any
    target: Any


def sample(number: int) -> Any:
    generator = torch.Generator().manual_seed(number)
    boxes = torch.tensor([[2.0, 4, 16, 20], [8, 8, 8, 8]]) + number
    return Pair(
        tv_tensors.Image(torch.rand(3, 32, 32, generator=generator)),
        {
            "mask": tv_tensors.Mask(torch.full((1, 32, 32), number, dtype=torch.uint8)),
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYWH", canvas_size=CANVAS),
            "points": [tv_tensors.KeyPoints([[4.0, 6]], canvas_size=CANVAS)],
            "clip": tv_tensors.Video(torch.rand(2, 3, 32, 32, generator=generator)),
            "label": number,
            "name": str(number),
            "plain": torch.arange(3.0),
        },
    )


def kinds(batch: Any) -> list[str]:
    target = batch.target
    found = [batch.image, *target.values(), target["points"][0]]
    return [type(each).__name__ for each in found]


KINDS = ["Image", "Mask", "BoundingBoxes", "list", "Video", "Tensor", "list", "Tensor"]


@pytest.mark.parametrize("workers", [0, 1])
def test_types_are_kept(workers: int) -> None:
    data: Any = [sample(number) for number in range(2)]
    loader = DataLoader(
        data,
        2,
        collate_fn=collate_tv_tensors,
        num_workers=workers,
        timeout=30 * workers,
    )
    batch = next(iter(loader))
    plain = default_collate(data)
    assert kinds(batch) == [*KINDS, "KeyPoints"]
    assert kinds(plain)[:3] == ["Tensor"] * 3  # or none of this is needed
    assert type(batch) is Pair
    boxes = batch.target["boxes"]
    assert (boxes.format.value, boxes.canvas_size) == ("XYWH", CANVAS)
    assert torch.equal(boxes.as_subclass(torch.Tensor), plain.target["boxes"])
    assert torch.equal(batch.image.as_subclass(torch.Tensor), plain.image)
    assert batch.target["label"].tolist() == [0, 1]
    assert batch.target["name"] == ["0", "1"]


def test_the_batch_follows_its_images() -> None:
    small = Resizer()(collate_tv_tensors([sample(1), sample(3)]), 16)
    assert small.image.shape == (2, 3, 16, 16)
    assert small.target["mask"].unique().tolist() == [1, 3]
    assert small.target["mask"].shape == (2, 1, 16, 16)
    assert small.target["boxes"][0, 0].tolist() == [1.5, 2.5, 8.5, 10.5]
    assert small.target["points"][0].tolist() == [[[2.0, 3.0]]] * 2
    assert small.target["clip"].shape == (2, 2, 3, 16, 16)
    assert small.target["plain"].tolist() == [[0.0, 1.0, 2.0]] * 2


def test_without_types_it_is_the_default() -> None:
    samples = [(torch.rand(3, 8), 1, "a"), (torch.rand(3, 8), 2, "b")]
    batch, default = collate_tv_tensors(samples), default_collate(samples)
    assert torch.equal(batch[0], default[0])
    assert str(batch[1:]) == str(default[1:])


def test_it_is_pickled_for_spawned_workers() -> None:
    assert pickle.loads(pickle.dumps(collate_tv_tensors)) is collate_tv_tensors


def boxes(*rows: list[float], **attributes: Any) -> Any:
    return tv_tensors.BoundingBoxes(
        list(rows), **({"format": "XYXY", "canvas_size": CANVAS} | attributes)
    )


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        (
            [boxes([0, 0, 1, 1]), boxes([0, 0, 1, 1], [0, 0, 2, 2])],
            ValueError,
            r"BoundingBoxes of shapes \(1, 4\), \(2, 4\), which cannot be stacked.*zip",
        ),
        (
            [tv_tensors.Image(torch.zeros(3, 8, 8)), tv_tensors.Image(torch.zeros(3, 8, 9))],
            ValueError,
            r"Image of shapes \(3, 8, 8\), \(3, 8, 9\)",
        ),
        (
            [boxes([0, 0, 1, 1]), boxes([0, 0, 1, 1], canvas_size=(16, 16))],
            ValueError,
            r"different attributes.*\(32, 32\).*\(16, 16\)",
        ),
        (
            [boxes([0, 0, 1, 1]), boxes([0, 0, 1, 1], format="XYWH")],
            ValueError,
            "different attributes.*XYXY.*XYWH",
        ),
        (
            [torch.zeros(1, 8, 8), tv_tensors.Mask(torch.zeros(1, 8, 8))],
            TypeError,
            "Tensor, Mask at one place",
        ),
        (
            [tv_tensors.Mask(torch.zeros(1, 8, 8)), torch.zeros(1, 8, 8)],
            TypeError,
            "Mask, Tensor at one place",
        ),
    ],
)  # fmt: skip
def test_what_has_no_common_type_is_refused(
    samples: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        collate_tv_tensors(samples)
