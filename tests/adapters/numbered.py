"""Images that are known by their number, wherever they are drawn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

__all__ = ["Numbered"]


class Numbered(Dataset[Any]):
    """Images with one value each, cropped to their size, and their number.

    Args:
        count: How many there are.
        side: Their full size.
    """

    def __init__(self, count: int = 45, side: int = 16) -> None:
        self.transform = Compose([Resize(side + side // 8), CenterCrop(side)])
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(torch.full((3, 40, 40), index / 64)), index
