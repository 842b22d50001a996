"""The images of the benchmark: JPEG files in a folder, and some of them in memory."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as F

from upsize.demo._files import cells

__all__ = ["InMemory", "photographs"]

_SIDES = 500, 375  # width and height, as ImageNet's usual ones
_QUALITY = 90


def photographs(folder: Path) -> Path:
    """Write the photographs of elpv-dataset as RGB JPEG of 500 x 375, once.

    Returns:
        A folder with a folder for each class, as ImageFolder reads it.
    """
    root = folder / "cells"
    done = root / ".done"
    if not done.exists():
        for sample in cells():
            path = root / f"{sample.label}" / f"{sample.path.stem}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(sample.path) as image:
                large = image.convert("RGB").resize(_SIDES, Image.Resampling.BICUBIC)
                large.save(path, quality=_QUALITY)
        done.touch()
    return root


class InMemory(Dataset[tuple[Tensor, int]]):
    """Images that are decoded once and kept as uint8 tensors, a quarter larger.

    Args:
        files: An ImageFolder without transform.
        indices: Those to keep.
        side: The full size: images are shrunk to cover 5/4 of it and cropped to that.
        transform: Applied to each sample.
    """

    def __init__(
        self, files: Dataset[tuple[Image.Image, int]], indices: list[int], side: int
    ) -> None:
        samples = [files[index] for index in indices]
        kept = side * 5 // 4
        self.images = torch.stack([self._tensor(image, kept) for image, _ in samples])
        self.labels = [label for _, label in samples]
        self.transform: object = None

    @staticmethod
    def _tensor(image: Image.Image, side: int) -> Tensor:
        return F.center_crop(F.resize(F.pil_to_tensor(image), side), [side, side])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        return self.transform(image), self.labels[index]  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self.labels)
