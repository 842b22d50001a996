"""A small module that remembers what it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp

RAMP = Ramp(initial_size=16, increase_by=8)


def dataset(n: int = 20, side: int = 32) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 3, side, side, generator=generator)
    return TensorDataset(images, torch.randint(2, (n,), generator=generator))


def loader(n: int = 20, side: int = 32, **more: Any) -> DataLoader[Any]:
    return DataLoader(dataset(n, side), batch_size=4, **more)


class Module(L.LightningModule):
    """Remembers the width of every image that each of its steps gets."""

    def __init__(self, lr: float = 1e-2, batch_size: int = 4) -> None:
        super().__init__()
        self.lr, self.batch_size = lr, batch_size
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, 2),
        )  # fmt: skip
        self.widths: list[int] = []
        self.steps: list[int] = []
        self.others: dict[str, list[int]] = {"val": [], "test": [], "predict": []}

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.net(images)
        return out

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, labels = batch
        self.widths.append(images.shape[-1])
        self.steps.append(self.trainer.global_step)
        return nn.functional.cross_entropy(self(images), labels)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.others["val"].append(batch[0].shape[-1])
        self.log("val_loss", self(batch[0]).sum())

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.others["test"].append(batch[0].shape[-1])

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.others["predict"].append(batch[0].shape[-1])
        return self(batch[0])

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), self.lr)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(dataset(), batch_size=self.batch_size)


def callback(schedule: Any = RAMP, **more: Any) -> ProgressiveResize:
    return ProgressiveResize(schedule, **({"verbose": False} | more))


def trainer(path: Path, *callbacks: Any, **more: Any) -> L.Trainer:
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": 4,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": path,
    }
    return L.Trainer(callbacks=list(callbacks), **(quiet | more))


def fit(path: Path, resize: Any, module: Module | None = None, **more: Any) -> Module:
    """Train a module with the callback for four epochs of five batches."""
    module = Module() if module is None else module
    trainer(path, resize, **more).fit(module, loader())
    return module


def planned(resize: Any, steps: Any) -> list[int]:
    return [resize.plan.size_at(step).width for step in steps]
