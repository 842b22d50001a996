"""Datasets as people write them, and readers of their batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tests.pipelines import pictures
from tests.pipelines.rows import Seen
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

__all__ = [
    "MEAN",
    "STD",
    "Pairs",
    "Photos",
    "classified",
    "images_of",
    "listed",
    "load",
    "undone",
]

COUNT = 4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Photos(Dataset[Any]):
    """Pictures of 80 x 96 pixels, with a class each.

    Args:
        transform: Called with the image.
        make: Makes the image of an index: Pillow's, an array or a tensor.
        label: Makes the label of an index.
        shape: Height and width of the pictures.
    """

    def __init__(
        self,
        transform: Any = None,
        make: Callable[..., Any] = pictures.pil,
        label: Callable[[int], Any] = lambda index: index % 2,
        shape: tuple[int, int] = (80, 96),
        count: int = COUNT,
    ) -> None:
        self.transform, self.make, self.label = transform, make, label
        self.shape, self.count = shape, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        image = self.make(index, *self.shape)
        if self.transform is not None:
            image = self.transform(image)
        return image, self.label(index)


class Pairs(Dataset[Any]):
    """Samples that a function makes, then a transform of all parts of them.

    Args:
        make: Makes the parts of an index.
        transforms: Called with the parts.
    """

    def __init__(self, make: Callable[[int], Any], transforms: Any = None) -> None:
        self.make, self.transforms = make, transforms

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        parts = self.make(index)
        return parts if self.transforms is None else self.transforms(*parts)


def load(dataset: Any, **settings: Any) -> DataLoader[Any]:
    """Return a loader of two batches."""
    return DataLoader(dataset, **{"batch_size": 2, **settings})


def undone(images: Tensor, mean: Any = MEAN, std: Any = STD) -> Tensor:
    """Return normalized images (..., channels, height, width) as they were."""
    to = (-1, 1, 1)
    return images * torch.tensor(std).reshape(to) + torch.tensor(mean).reshape(to)


def images_of(value: Any, *, normalized: bool = False) -> list[Tensor]:
    """Return the images of a batch (N, 3, H, W), or of a list of them, from 0 to 1."""
    plain = [torch.as_tensor(image).as_subclass(Tensor) for image in value]
    plain = [im / 255 if im.dtype == torch.uint8 else im.float() for im in plain]
    return [undone(image) for image in plain] if normalized else plain


def classified(*, normalized: bool = False) -> Callable[[Any], Seen]:
    """Read batches (images, labels)."""

    def see(batch: Any) -> Seen:
        images, *rest = batch
        return Seen(images_of(images, normalized=normalized), rest=rest)

    return see


def listed(batch: Any) -> list[Any]:
    """Collate samples of several parts as detection does."""
    return [list(parts) for parts in zip(*batch, strict=True)]
