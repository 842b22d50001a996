"""What people write by hand: a dataset that decodes whole files, and OpenCV."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tests.benchmarks.loaders.setting import BATCH, SCALE, Opened
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from tests.benchmarks.loaders.photographs import Photographs

__all__ = ["crop", "no_cv2", "no_simplejpeg", "with_cv2", "with_simplejpeg"]

no_cv2 = "" if find_spec("cv2") else "needs opencv-python-headless"
no_simplejpeg = "" if find_spec("simplejpeg") else "needs simplejpeg"

_RATIO = math.log(3 / 4), math.log(4 / 3)


def crop(sides: Sequence[int], scale: tuple[float, float]) -> tuple[int, int, int, int]:
    """Draw (top, left, height, width), distributed as RandomResizedCrop's."""
    height, width = sides
    for _ in range(10):
        area = height * width * random.uniform(*scale)
        ratio = math.exp(random.uniform(*_RATIO))
        h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            return random.randint(0, height - h), random.randint(0, width - w), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


class _Images(Dataset[tuple[torch.Tensor, int]]):
    """Photographs that are read whole, cropped and resized by OpenCV, and flipped."""

    def __init__(
        self, paths: Sequence[str], read: Callable[[str], Any], size: int
    ) -> None:
        self._paths, self._read, self._size = paths, read, size

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        import cv2

        path = self._paths[index]
        image = self._read(path)
        y, x, height, width = crop(image.shape[:2], SCALE)
        # Where it makes smaller, each pixel is the mean of those that it covers.
        small = cv2.resize(
            image[y : y + height, x : x + width],
            (self._size, self._size),
            interpolation=cv2.INTER_AREA,
        )
        if random.random() < 0.5:
            small = cv2.flip(small, 1)
        return torch.from_numpy(small), int(Path(path).parent.name)


class _Loader:
    """Gives the batches of a loader as (N, 3, H, W)."""

    def __init__(self, data: _Images) -> None:
        self._loader = DataLoader(data, BATCH, shuffle=True)

    def __iter__(self) -> Any:
        for images, labels in self._loader:
            yield images.permute(0, 3, 1, 2), labels


def _opened(
    photos: Photographs, sizes: Sequence[int], read: Callable[[str], Any]
) -> Opened:
    def epochs(size: int) -> Callable[[], Iterable[Any]]:
        return _Loader(_Images(photos.paths, read, size)).__iter__

    return Opened({size: epochs(size) for size in sizes}, photos.bytes)


def with_cv2(photos: Photographs, sizes: Sequence[int], _: Path) -> Opened:
    """Decode with OpenCV."""
    import cv2

    def read(path: str) -> Any:
        return cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)

    return _opened(photos, sizes, read)


def with_simplejpeg(photos: Photographs, sizes: Sequence[int], _: Path) -> Opened:
    """Decode with libjpeg-turbo."""
    import simplejpeg

    def read(path: str) -> Any:
        return simplejpeg.decode_jpeg(Path(path).read_bytes())

    return _opened(photos, sizes, read)
