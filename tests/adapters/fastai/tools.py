"""Small data, a small model, and a callback that remembers what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import IndexSplitter
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import Adam
from fastai.vision.augment import RandomResizedCropGPU, aug_transforms
from fastai.vision.core import PILImage
from fastai.vision.data import ImageBlock
from torch import nn

from upsize.fastai import ProgressiveResize

SIDE, BATCHES = 32, 4
TFMS: dict[str, Any] = {
    "none": lambda: None,
    "aug": aug_transforms,
    "sized": lambda: aug_transforms(size=SIDE),
    "crop": lambda: aug_transforms(size=SIDE, min_scale=0.5),
    "rrc": lambda: [RandomResizedCropGPU(SIDE, min_scale=0.5)],
}


def images(n: int, height: int = SIDE, width: int = SIDE) -> list[Any]:
    rng = np.random.default_rng(0)
    shape = (n, height, width, 3)
    return [
        PILImage.create(each) for each in rng.integers(0, 255, shape, dtype=np.uint8)
    ]


def loaders(
    batch_tfms: Any = None, *, height: int = SIDE, width: int = SIDE, n_valid: int = 4
) -> Any:
    """Make loaders of four training batches of four."""
    pictures = images(16 + n_valid, height, width)
    block = DataBlock(
        (ImageBlock, CategoryBlock(vocab=[0, 1])),
        get_x=lambda i: pictures[i],
        get_y=lambda i: i % 2,
        splitter=IndexSplitter(list(range(16, 16 + n_valid))),
        batch_tfms=batch_tfms,
    )
    return block.dataloaders(range(16 + n_valid), bs=4, num_workers=0, device="cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )


def halves(model: nn.Module) -> list[list[nn.Parameter]]:
    """Split into two groups, the first of which can be frozen."""
    return [list(model[0].parameters()), list(model[1].parameters())]


class Seen(Callback):
    """Remembers the (height, width) of every batch that reaches the model."""

    order = 8

    def __init__(self) -> None:
        super().__init__()
        self.train: list[tuple[int, int]] = []
        self.valid: list[tuple[int, int]] = []
        self.batches: list[Any] = []

    def before_batch(self) -> None:
        x = self.xb[0]
        x = next(iter(x.values())) if isinstance(x, dict) else x
        (self.train if self.training else self.valid).append(tuple(x.shape[-2:]))
        self.batches.append((self.xb, self.yb))


def learner(dls: Any, *cbs: Any, model: Any = None, **more: Any) -> Any:
    """Make a learner without bars and tables."""
    settings: dict[str, Any] = {
        "loss_func": CrossEntropyLossFlat(),
        "opt_func": Adam,
        "splitter": halves,
    }
    made = Learner(
        dls, network() if model is None else model, cbs=list(cbs), **settings | more
    )
    made.remove_cb(made.progress)
    made.logger = lambda *_: None
    return made


def callback(**more: Any) -> ProgressiveResize:
    return ProgressiveResize(**({"verbose": False} | more))


def planned(resize: Any, steps: Any) -> list[tuple[int, int]]:
    return [tuple(resize.plan.size_at(step)) for step in steps]
