"""Run by test_packages.py: each process writes what it trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp


class Module(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        self.seen: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.net(images)
        return out

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, labels = batch
        self.seen.append((self.trainer.global_step, images.shape[-1]))
        return nn.functional.cross_entropy(self(images), labels)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_train_end(self) -> None:
        resize: Any = self.trainer.callbacks[0]  # type: ignore[attr-defined]
        weights = torch.cat([p.detach().flatten() for p in self.parameters()])
        report = {
            "world": self.trainer.world_size,
            "widths": [width for _, width in self.seen],
            "planned": [resize.plan.size_at(step).width for step, _ in self.seen],
            "weights": weights.double().sum().item(),
        }
        Path(sys.argv[2], f"{self.global_rank}.json").write_text(json.dumps(report))


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(
        torch.rand(40, 3, 16, 16, generator=generator),
        torch.randint(2, (40,), generator=generator),
    )
    trainer = L.Trainer(
        max_epochs=4,
        accelerator="cpu",
        devices=2,
        strategy=sys.argv[1],
        accumulate_grad_batches=2,
        callbacks=[ProgressiveResize(Ramp(increase_by=4), preallocate=True)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Module(), DataLoader(data, batch_size=4, shuffle=True))


if __name__ == "__main__":
    main()
