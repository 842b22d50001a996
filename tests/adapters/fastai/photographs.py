"""Loaders of small photographs of many sizes, and what their workers made."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import IndexSplitter
from fastai.torch_core import TensorImage
from fastai.vision.core import PILImage, Transform
from fastai.vision.data import ImageBlock

from upsize.fastai import sized

FULL, COUNT = 32, 26


def photograph(index: int) -> PILImage:
    rng = np.random.default_rng(index)
    shape = 40 + index % 5, 48 + index % 3, 3
    return PILImage.create(rng.integers(0, 255, shape, dtype=np.uint8))


class Came(Transform):
    """Remembers the (height, width) of each training batch as it is made."""

    order, split_idx = -50, 0

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []

    def encodes(self, x: TensorImage) -> TensorImage:
        self.sizes.append(tuple(x.shape[-2:]))
        return x


def label(index: int) -> int:
    return index % 2


def plain(
    item_tfms: Any = None, batch_tfms: Any = None, came: Any = None, **more: Any
) -> Any:
    """Make loaders of 26 photographs for training, in batches of four, and four more."""
    block = DataBlock(
        (ImageBlock, CategoryBlock(vocab=[0, 1])),
        get_x=photograph,
        get_y=label,
        splitter=IndexSplitter(list(range(COUNT, COUNT + 4))),
        item_tfms=item_tfms,
        batch_tfms=[*([] if came is None else [came]), *(batch_tfms or [])],
    )
    settings = {"bs": 4, "num_workers": 0, "device": "cpu", "drop_last": False} | more
    return block.dataloaders(range(COUNT + 4), **settings)


def small(*args: Any, resize: Any = None, set_size: Any = None, **more: Any) -> Any:
    """Make the same loaders, sized."""
    return sized(plain(*args, **more), resize, set_size=set_size)
