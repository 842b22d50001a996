"""Images that are opened small, beside points and masks of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.data.block import DataBlock
from fastai.vision.augment import CropPad, Resize, ResizeMethod
from fastai.vision.core import PILImage
from fastai.vision.data import ImageBlock, MaskBlock, PointBlock
from PIL import Image

from upsize.fastai import sized
from upsize.loading import open_image
from upsize.schedule import Size

SIDE, FULL, SMALL = 256, 64, 16


class Photograph(PILImage):
    opened: list[int] = []  # noqa: RUF012

    @classmethod
    def create(cls, fn: object, **_: object) -> PILImage:
        image = cls(open_image(fn))
        cls.opened.append(image.width)
        return image


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A black image with a white square from 64 to 192."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[64:192, 64:192] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    return tmp_path / "a.jpg"


def small(path: Path, *blocks: Any, get_y: Any, item_tfms: Any = None) -> Any:
    """Return the first batch below full size."""
    block = DataBlock(
        (ImageBlock(Photograph), *blocks),
        get_x=lambda _: path,
        get_y=get_y,
        item_tfms=item_tfms or Resize(FULL, method=ResizeMethod.Squish),
    )
    dls = sized(block.dataloaders(range(8), bs=4, num_workers=0, device="cpu"))
    ahead = dls.train.create_batches.__self__.ahead
    ahead.tell([Size(SMALL, SMALL)] * 9, Size(FULL, FULL))
    Photograph.opened.clear()
    return dls.train.one_batch()


def test_points_stay_where_they_are(path: Path) -> None:
    images, points = small(path, PointBlock, get_y=lambda _: [[64.0, 192.0]])
    assert images.shape[-2:] == (SMALL, SMALL)
    assert torch.allclose(points, torch.tensor([-0.5, 0.5]))  # from -1 to 1


def test_masks_show_the_same_as_images(path: Path) -> None:
    def mask(_: int) -> np.ndarray:
        made = np.zeros((SIDE, SIDE), np.uint8)
        made[64:192, 64:192] = 1
        return made

    images, masks = small(path, MaskBlock, get_y=mask)
    white = images.as_subclass(torch.Tensor)[:, 0] > 0.5
    assert torch.equal(white, masks.as_subclass(torch.Tensor) > 0)
    assert set(Photograph.opened) == {SIDE}


def test_classes_are_opened_small(path: Path) -> None:
    from fastai.data.block import CategoryBlock

    small(path, CategoryBlock(vocab=[0, 1]), get_y=lambda n: n % 2)
    assert set(Photograph.opened) == {SIDE // 4}


def test_a_crop_of_the_file_sees_the_whole_image(path: Path) -> None:
    from fastai.data.block import CategoryBlock

    squish = Resize(FULL, method=ResizeMethod.Squish)
    images, _ = small(
        path,
        CategoryBlock(vocab=[0, 1]),
        get_y=lambda n: n % 2,
        item_tfms=[CropPad(128), squish],
    )
    assert images.mean() > 0.98  # the white square alone
