"""Samples of a dataset as a sized loader makes them, without a loader."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from upsize.loading._batches import SizedBatch
from upsize.loading._dataset import SizedDataset
from upsize.loading._transforms import check_transforms
from upsize.schedule import Size


class Items(Dataset[Any]):
    """Items that go through a transform.

    Args:
        transform: The transform.
        items: What is transformed; unless given, an image with corners.
        more: Other attributes.
    """

    def __init__(self, transform: Any, *items: Any, **more: Any) -> None:
        self.items = items or (corners(32),)
        self.transform = transform
        vars(self).update(more)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.items[index])


def corners(side: int) -> Tensor:
    """Return an image of noughts whose four quarters are 0, 1, 2 and 3 times 0.25."""
    half = side // 2
    image = torch.zeros(3, side, side)
    image[:, :half, half:] = 0.25
    image[:, half:, :half] = 0.5
    image[:, half:, half:] = 0.75
    return image


def samples(data: Any, side: int, full: int, seed: int = 0) -> list[Any]:
    """Return all samples of a dataset at a side, as a worker makes them."""
    check_transforms(data, Size(full, full))
    batch = SizedBatch(range(len(data)), Size(side, side), Size(full, full))
    torch.manual_seed(seed)
    random.seed(seed)
    made: list[Any] = SizedDataset(data).__getitems__(batch)
    return made
