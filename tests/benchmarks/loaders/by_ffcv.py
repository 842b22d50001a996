"""FFCV, where it is installed: it has to be built from its source package."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.loaders.setting import BATCH, SCALE, STORED, Opened
from torchvision.datasets import ImageFolder

if TYPE_CHECKING:
    from tests.benchmarks.loaders.photographs import Photographs

__all__ = ["jpg", "no_ffcv", "raw"]

no_ffcv = "" if find_spec("ffcv") else "needs ffcv"
if not no_ffcv:
    # Numba's threads of TBB, where that is installed, keep such a process from ending.
    os.environ.setdefault("NUMBA_THREADING_LAYER", "omp")


def _opened(photos: Photographs, sizes: Sequence[int], file: Path, mode: str) -> Opened:
    from ffcv.fields import IntField, RGBImageField
    from ffcv.fields.basics import IntDecoder
    from ffcv.fields.rgb_image import RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import RandomHorizontalFlip, Squeeze, ToTensor, ToTorchImage
    from ffcv.writer import DatasetWriter

    field = RGBImageField(write_mode=mode, max_resolution=STORED)
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = DatasetWriter(
        str(file), {"image": field, "label": IntField()}, num_workers=1
    )
    writer.from_indexed_dataset(ImageFolder(photos.folder))

    def loader(size: int) -> Callable[[], Iterable[Any]]:
        crop = RandomResizedCropRGBImageDecoder((size, size), scale=SCALE)
        image = [crop, RandomHorizontalFlip(), ToTensor(), ToTorchImage()]
        made = Loader(
            str(file),
            batch_size=BATCH,
            num_workers=1,
            order=OrderOption.RANDOM,
            os_cache=True,
            pipelines={"image": image, "label": [IntDecoder(), ToTensor(), Squeeze()]},
        )
        return made.__iter__

    return Opened({size: loader(size) for size in sizes}, file.stat().st_size)


def jpg(photos: Photographs, sizes: Sequence[int], folder: Path) -> Opened:
    """Store smaller JPEG files."""
    return _opened(photos, sizes, folder / "jpg.beton", "jpg")


def raw(photos: Photographs, sizes: Sequence[int], folder: Path) -> Opened:
    """Store their pixels."""
    return _opened(photos, sizes, folder / "raw.beton", "raw")
