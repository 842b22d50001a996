"""Run by test_sized.py: each process writes what its workers have made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from upsize.lightning import ProgressiveResize, sized

sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "loading"))
from images import RAMP, Images


class Batches(BatchSampler):
    """Of one's own."""


class Module(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 1, 1)
        self.came: list[int] = []
        self.planned: list[int] = []
        self.labels: list[int] = []

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        resize: Any = self.trainer.callbacks[0]  # type: ignore[attr-defined]
        size = resize.plan.size_at(self.trainer.global_step)
        self.came.append(batch[0].shape[-1])
        self.planned.append(size.width)
        if self.trainer.current_epoch == 0:
            self.labels += batch[1].tolist()
        return batch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss: Tensor = self.net(batch[0].float()).mean()
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_train_end(self) -> None:
        resize: Any = self.trainer.callbacks[0]  # type: ignore[attr-defined]
        report = {
            "world": self.trainer.world_size,
            "came": self.came,
            "planned": self.planned,
            "labels": self.labels,
            "corrected": resize.mismatched,
        }
        Path(sys.argv[3], f"{self.global_rank}.json").write_text(json.dumps(report))


def main() -> None:
    resize = ProgressiveResize(RAMP, verbose=False)
    data = Images()
    options: dict[str, Any] = {"batch_size": 2, "shuffle": True}
    if sys.argv[2] == "batch_sampler":
        options = {"batch_sampler": Batches(SequentialSampler(data), 2, False)}
    loader = DataLoader(data, num_workers=1, **options)
    trainer = L.Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=2,
        strategy=sys.argv[1],
        accumulate_grad_batches=2,
        callbacks=[resize],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Module(), sized(loader, resize))


if __name__ == "__main__":
    main()
