"""The demo's photographs and model as ``upsize forecast`` takes them."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from upsize.demo._data import check_memory
from upsize.demo._files import cells
from upsize.demo._model import small_resnet

__all__ = ["workload"]

_BATCH_SIZE = 32


class _Cells(Dataset[tuple[Tensor, int]]):
    """The photographs, read and cropped one by one as a dataset of files is."""

    def __init__(self, size: int) -> None:
        self.samples = list(cells())
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.35, 1.0)),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self.samples[index]
        with Image.open(sample.path) as image:
            return self.transform(image.convert("L")), sample.label


def _loss(model: nn.Module, batch: Any) -> Tensor:
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels)


def workload(size: int, workers: int = 1) -> dict[str, Any]:
    """Return what :func:`upsize.forecast.measure` takes, for the demo's photographs.

    Args:
        size: Full size in pixels.
        workers: Processes of the loader.

    Raises:
        ImportError: Without the photographs: ``pip install "upsize[demo]"``.
        ValueError: When a batch does not fit into memory.
    """
    check_memory(_BATCH_SIZE, size, channels=4)  # float32, grey
    model = small_resnet(channels=1, classes=4)
    with warnings.catch_warnings():
        # torch advises against more workers than cores; here one is asked for.
        warnings.simplefilter("ignore", UserWarning)
        loader = DataLoader(
            _Cells(size),
            batch_size=_BATCH_SIZE,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
    return {
        "model": model,
        "loader": loader,
        "forward": _loss,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=2e-3),
    }
