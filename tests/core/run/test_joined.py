"""Batches that are concatenated: any container, or refused by name."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torchvision import tv_tensors

from upsize.resize import Resizer
from upsize.run._joined import images_of, joined
from upsize.run._per_image import Images


class Named(NamedTuple):
    image: Any
    label: Any


@dataclass(frozen=True)
class Sample:
    image: Any
    label: Any


def images(start: int = 0, n: int = 2) -> torch.Tensor:
    return torch.arange(start, start + n).float().view(n, 1, 1, 1).expand(n, 3, 8, 8)


def both(one: Any, other: Any) -> Any:
    found = images_of(one, Resizer())
    assert images_of(other, Resizer()) == found
    return joined([one, other], found)


def values(tensor: torch.Tensor) -> list[float]:
    return tensor[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda i, y: (i, y),
        lambda i, y: [i, y],
        lambda i, y: {"image": i, "label": y},
        lambda i, y: OrderedDict(image=i, label=y),
        lambda i, y: Named(i, y),
        lambda i, y: Sample(i, y),
        lambda i, y: SimpleNamespace(image=i, label=y),
        lambda i, y: {"deep": [(i, {"label": y})]},
    ],
)
def test_containers(make: Any) -> None:
    one, other = (make(images(2 * n), torch.tensor([n, n])) for n in range(2))
    new = both(one, other)
    assert type(new) is type(one)
    found = Resizer().read(new)
    assert values(found.first) == [0, 1, 2, 3]
    labels = [leaf for _, leaf, _ in found.roles if leaf is not found.first]
    assert [label.tolist() for label in labels] == [[0, 0, 1, 1]]


def test_one_tensor() -> None:
    assert values(both(images(0), images(2))) == [0, 1, 2, 3]


def test_lists_with_an_item_for_each_image() -> None:
    def batch(n: int) -> Any:
        return {
            "image": images(n),
            "name": [f"{n}a", f"{n}b"],
            "target": [{"labels": torch.zeros(n + 1)}, {"labels": torch.zeros(2)}],
            "boxes": (torch.ones(2, 4), torch.ones(n + 1, 4)),
            "array": np.array([n, n]),
        }

    new = both(batch(0), batch(1))
    assert new["name"] == ["0a", "0b", "1a", "1b"]
    assert [len(each["labels"]) for each in new["target"]] == [1, 2, 2, 2]
    assert [len(each) for each in new["boxes"]] == [2, 1, 2, 2]
    assert new["array"].tolist() == [0, 0, 1, 1]


def test_images_in_a_list() -> None:
    def batch(n: int) -> Any:
        return [torch.full((3, 8, 8), n), torch.full((3, 8, 6), n)], [
            {"n": n},
            {"n": n},
        ]

    one, other = batch(0), batch(1)
    listed = Images(2, (0, 0), (0,))
    new, targets = joined([one, other], listed)
    assert [image.shape[-1] for image in new] == [8, 6, 8, 6]
    assert targets == [{"n": 0}, {"n": 0}, {"n": 1}, {"n": 1}]
    found = images_of(([torch.rand(3, 8, 8)] * 2, [1, 2]), Resizer())
    assert found == listed


def test_a_list_with_an_item_for_each_kind_of_target() -> None:
    def batch(n: int) -> Any:
        return images(n), [torch.zeros(2, 1, 8, 8), torch.full((2,), n)]

    _, (masks, labels) = both(batch(0), batch(1))
    assert masks.shape == (4, 1, 8, 8)
    assert labels.tolist() == [0, 0, 1, 1]


def test_types_are_kept() -> None:
    def batch(n: int) -> Any:
        boxes = tv_tensors.BoundingBoxes(torch.full((2, 4), n), **BOXES)
        return tv_tensors.Image(images(n)), boxes

    image, boxes = both(batch(0), batch(1))
    assert type(image) is tv_tensors.Image
    assert type(boxes) is tv_tensors.BoundingBoxes
    assert boxes.canvas_size == (8, 8)
    assert boxes.shape == (4, 4)


def test_what_is_the_same_in_each_batch_is_kept() -> None:
    anchors, made = torch.rand(7, 2), object()

    def batch(n: int) -> Any:
        return {
            "image": images(n), "scale": torch.tensor(2.0), "anchors": anchors,
            "fold": "train", "none": None, "made": made, "grid": np.zeros((3, 3)),
            "empty": [], "nothing": {},
        }  # fmt: skip

    new = both(batch(0), batch(1))
    assert new["anchors"] is anchors
    assert new["made"] is made
    assert new["fold"] == "train"
    assert new["empty"] == [] == list(new["nothing"])


def test_rows_that_number_no_images() -> None:
    def batch(n: int) -> Any:
        return {
            "image": images(n),
            "features": torch.tensor([[1.0] * 6, [0.0] * 6]),
            "more": torch.rand(2, 7) + 0.01,
            "image_index": torch.tensor([n + 7, n + 8]),
        }

    new = both(batch(0), batch(1))
    assert new["image_index"].tolist() == [7, 8, 8, 9]
    assert new["features"].shape == (4, 6)
    one = {"image": images(0, 1), "features": torch.zeros(1, 6)}
    assert both(one, one)["features"].shape == (2, 6)


def test_one_batch_is_returned_itself() -> None:
    batch = images(), object()
    assert joined([batch], None) is batch


class NotEqual:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("which one?")

    __hash__ = None  # type: ignore[assignment]


class Closed(dict[str, Any]):
    def __copy__(self) -> Any:
        raise RuntimeError("there is one of me")


PACKED = torch.tensor([[0, 1, 0.1, 0.2, 0.3, 0.4], [1, 1, 0.1, 0.2, 0.3, 0.4]])
BOXES: dict[str, Any] = {"format": "XYXY", "canvas_size": (8, 8)}


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (torch.rand(5, 6), torch.rand(7, 6), r"batch\['x'\] has no row for each of the 2"),
        (torch.tensor(1.0), torch.tensor(2.0), r"has no row for each"),
        (torch.rand(2, 5), torch.rand(2, 6), r"has other shapes in each batch \(\(2, 5\)"),
        (torch.rand(2), torch.ones(2).long(), r"several dtypes \(torch.float32, torch.int"),
        (torch.rand(2), None, r"has several types \(Tensor, NoneType\)"),
        ("a", "b", r"batch\['x'\] differs \('a' in the first batch\)"),
        (1, 2, r"differs"),
        ([1, 2, 3], [1, 2], r"holds other keys than \[0, 1, 2\]"),
        ({"a": 1}, {"b": 1}, r"holds other keys than \['a'\]"),
        (NotEqual(), NotEqual(), r"differs"),
        (PACKED, PACKED, r"batch\['x'\] numbers the images of its batch"),
        (PACKED.numpy(), PACKED.numpy(), r"numbers the images of its batch"),
        (
            {"batch_idx": torch.tensor([0, 0])},
            {"batch_idx": torch.tensor([0, 1])},
            r"batch\['x'\]\['batch_idx'\] numbers the images",
        ),
        (Closed(y=torch.rand(2)), Closed(y=torch.rand(2)), r"there is one of me"),
        (
            tv_tensors.BoundingBoxes(torch.rand(2, 4), **BOXES),
            tv_tensors.BoundingBoxes(
                torch.rand(2, 4), **BOXES | {"canvas_size": (9, 9)}
            ),
            r"is a BoundingBoxes with other attributes",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_concatenated(one: Any, other: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        both({"image": images(), "x": one}, {"image": images(), "x": other})
    assert "give the loader to sized()" in str(caught.value)


def test_images_without_a_batch_dimension() -> None:
    with pytest.raises(
        ValueError, match=r"has no batch dimension \(shape \(3, 8, 8\)\)"
    ):
        images_of({"image": torch.rand(3, 8, 8)}, Resizer())


@pytest.mark.parametrize(
    "lists",
    [
        [torch.tensor([0, 1]), torch.tensor([2, 3])],  # as torch collates two labels
        (torch.tensor([0, 1]), torch.tensor([2, 3])),
        [("a", "b"), ("c", "d")],  # as torch collates two strings
        [["a", "b"], ["c", "d"]],
        [np.zeros(2), np.zeros(2)],
        {"shape": [torch.tensor([8, 8]), torch.tensor([9, 9])]},
    ],
)
def test_a_list_that_may_be_of_images_or_of_kinds_is_refused(lists: Any) -> None:
    with pytest.raises(ValueError, match="either an item for each of the 2 images, or"):
        both([images(0), lists], [images(2), lists])


def test_a_batch_of_one_image() -> None:
    one, other = ([images(n, 1), [torch.tensor([n])]] for n in range(2))
    with pytest.raises(ValueError, match=r"either an item for each of the 1 images"):
        both(one, other)


def test_a_later_batch_tells_that_a_list_is_of_images() -> None:
    def batch(*objects: int) -> Any:
        return [images(0), [torch.zeros(n, 4) for n in objects]]

    assert len(both(batch(2, 2), batch(2, 1))[1]) == 4
    # Items that are no rows, either.
    sizes = [images(0), [{"size": (8, 8)}, {"size": (8, 8)}]]
    assert len(both(sizes, sizes)[1]) == 4


@pytest.mark.parametrize("number", [2, torch.tensor(2), torch.tensor([2]), np.int64(2)])
def test_a_number_of_the_images_is_refused(number: Any) -> None:
    def batch() -> Any:
        return {"image": images(), "count": number}

    with pytest.raises(
        ValueError, match=r"count.* is 2, as many as a batch has images"
    ):
        both(batch(), batch())


@pytest.mark.parametrize(
    "number", [True, 2.0, 3, torch.tensor(2.0), torch.tensor(3), "2"]
)
def test_other_numbers_are_kept(number: Any) -> None:
    new = both(*[{"image": images(n), "count": number} for n in (0, 2)])
    assert new["count"] is number
