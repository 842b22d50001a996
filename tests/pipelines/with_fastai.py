"""Data blocks of fastai, trained by a learner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import IndexSplitter
from fastai.learner import Learner
from fastai.vision.augment import (
    RandomResizedCrop,
    Resize,
    ResizeMethod,
    aug_transforms,
)
from fastai.vision.core import PILImage, PILMask
from fastai.vision.data import ImageBlock, MaskBlock, PointBlock
from tests.pipelines import pictures
from tests.pipelines.check import SCHEDULE, seed
from tests.pipelines.classification import resized
from tests.pipelines.data import Photos, images_of, load
from tests.pipelines.rows import FULL, Seen, Setup, row
from torch import nn

from upsize.fastai import ProgressiveResize, sized

GROUP = "fastai"


class Look(Callback):
    """Keeps what is in the training batches of each epoch."""

    order = 90

    def __init__(self, see: Callable[[Any, Any], Seen]) -> None:
        super().__init__()
        self.look, self.epochs = see, []

    def before_train(self) -> None:
        seed(self.learn.epoch)
        self.epochs.append([])

    def before_batch(self) -> None:
        if self.learn.training:
            self.epochs[-1].append(self.look(self.learn.xb[0], self.learn.yb[0]))


def trained(
    make: Callable[[], Any],
    see: Callable[[Any, Any], Seen],
    *,
    is_sized: bool = True,
    **settings: Any,
) -> Setup:
    """Return a setup that trains two epochs on the loaders that ``make`` builds."""

    def train(with_upsize: bool) -> list[list[Seen]]:
        seed(0)
        dls, look = make(), Look(see)
        if with_upsize and is_sized:
            dls = sized(dls)
        model = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Flatten(), nn.AdaptiveAvgPool1d(1))
        learner = Learner(dls, model, lambda out, *_: out.mean(), cbs=[look])
        learner.remove_cb(learner.progress)
        learner.logger = lambda *_: None
        cbs = [ProgressiveResize(schedule=SCHEDULE, verbose=False, **settings)]
        learner.fit(2, 0.0, cbs=cbs if with_upsize else [])
        return look.epochs

    return Setup(train=train)


def image(index: int) -> Any:
    return PILImage.create(pictures.pixels(index, 80, 96))


def block(*blocks: Any, get_y: Any, **tfms: Any) -> Callable[[], Any]:
    data = DataBlock(
        blocks, get_x=image, get_y=get_y, splitter=IndexSplitter([4, 5]), **tfms
    )
    settings = {"bs": 2, "num_workers": 0, "device": "cpu", "shuffle": False}
    return lambda: data.dataloaders(range(6), **settings)


def label(index: int) -> int:
    return index % 2


def classes(images: Any, labels: Any) -> Seen:
    return Seen(images_of(images), rest=labels.as_subclass(torch.Tensor))


SQUISH = {"method": ResizeMethod.Squish}


@row(GROUP, "`DataBlock`: `Resize(64)`, batches resized on the device", device=True)
def _(folder: Path) -> Setup:
    make = block(
        ImageBlock, CategoryBlock(vocab=[0, 1]), get_y=label,
        item_tfms=Resize(FULL, **SQUISH),
    )  # fmt: skip
    return trained(make, classes, is_sized=False)


@row(GROUP, "`DataBlock`: `RandomResizedCrop(64)`, loaders by `upsize.fastai.sized`")
def _(folder: Path) -> Setup:
    make = block(
        ImageBlock, CategoryBlock(vocab=[0, 1]), get_y=label,
        item_tfms=RandomResizedCrop(FULL),
    )  # fmt: skip
    return trained(make, classes)


@row(GROUP, "Presizing: `Resize(80)`, then `aug_transforms(size=64)`")
def _(folder: Path) -> Setup:
    make = block(
        ImageBlock, CategoryBlock(vocab=[0, 1]), get_y=label,
        item_tfms=Resize(80, **SQUISH),
        batch_tfms=aug_transforms(size=FULL, max_rotate=0, max_lighting=0, max_warp=0),
    )  # fmt: skip
    setup = trained(make, classes)
    setup.moves = 0.1
    return setup


@row(GROUP, "Segmentation: `MaskBlock` and `aug_transforms()`", device=True)
def _(folder: Path) -> Setup:
    def see(images: Any, masks: Any) -> Seen:
        return Seen(images_of(images), masks=list(masks.as_subclass(torch.Tensor)))

    make = block(
        ImageBlock, MaskBlock, item_tfms=Resize(FULL, **SQUISH),
        get_y=lambda index: PILMask.create(pictures.mask(index, 80, 96)),
        batch_tfms=aug_transforms(max_rotate=0, max_lighting=0, max_warp=0, max_zoom=1),
    )  # fmt: skip
    setup = trained(make, see, is_sized=False)
    setup.moves = 0.1
    return setup


@row(GROUP, "Key points: `PointBlock`")
def _(folder: Path) -> Setup:
    def see(images: Any, points: Any) -> Seen:
        side = images.shape[-1]
        pixels = (points.as_subclass(torch.Tensor)[:, 0] + 1) * side / 2
        return Seen(images_of(images), points=list(pixels))

    make = block(
        ImageBlock, PointBlock, item_tfms=Resize(FULL, **SQUISH),
        get_y=lambda index: np.array([pictures.centre(index, 80, 96)]),
    )  # fmt: skip
    return trained(make, see)


@row(GROUP, "Several labels: `MultiCategoryBlock`")
def _(folder: Path) -> Setup:
    make = block(
        ImageBlock, MultiCategoryBlock(vocab=["0", "1", "2"]),
        get_y=lambda index: [str(index % 3), "0"], item_tfms=Resize(FULL, **SQUISH),
    )  # fmt: skip
    return trained(make, classes)


@row(GROUP, "Loaders of PyTorch in `DataLoaders(train, valid)`")
def _(folder: Path) -> Setup:
    def make() -> Any:
        return DataLoaders(load(Photos(resized())), load(Photos(resized())))

    return trained(make, classes)


@row(GROUP, "Loaders of PyTorch with a `batch_sampler`")
def _(folder: Path) -> Setup:
    def make() -> Any:
        pairs = [[0, 3], [2, 1]]
        loaders = [
            torch.utils.data.DataLoader(Photos(resized()), batch_sampler=pairs)
            for _ in range(2)
        ]
        return DataLoaders(*loaders)

    return trained(make, classes)


@row(GROUP, "Image to image: a target twice as large", device=True)
def _(folder: Path) -> Setup:
    def large(index: int) -> Any:
        return PILImage.create(pictures.pixels(index, 2 * FULL, 2 * FULL))

    def see(images: Any, targets: Any) -> Seen:
        return Seen(images_of(images) + images_of(targets))

    def make() -> Any:
        data = DataBlock(
            (ImageBlock, ImageBlock),
            get_x=lambda index: PILImage.create(pictures.pixels(index)),
            get_y=large,
            splitter=IndexSplitter([4, 5]),
        )
        settings = {"bs": 2, "num_workers": 0, "device": "cpu", "shuffle": False}
        return data.dataloaders(range(6), **settings)

    return trained(make, see, is_sized=False)
