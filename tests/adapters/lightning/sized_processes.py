"""Run by torchrun in test_sized.py: prints what the workers of this process have made."""

from __future__ import annotations

import sys
from typing import Any

import lightning.pytorch as L
import torch
from tests.adapters.streams import Stream
from tests.adapters.torchrun import finish
from tests.core.loading.images import RAMP, Images
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from upsize.lightning import ProgressiveResize, sized
from upsize.schedule import Grow


class Batches(BatchSampler):
    """Of one's own."""


class Module(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 1, 1)
        self.came: list[int] = []
        self.planned: list[int] = []
        self.labels: list[int] = []
        self.lengths: list[int] = []

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        resize: Any = self.trainer.callbacks[0]  # type: ignore[attr-defined]
        size = resize.plan.size_at(self.trainer.global_step)
        self.came.append(batch[0].shape[-1])
        self.lengths.append(len(batch[1]))
        self.planned.append(size.width)
        if self.trainer.current_epoch == 0:
            self.labels += batch[1].tolist()
        return batch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss: Tensor = self.net(batch[0].float()).mean()
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class Shards(L.LightningDataModule):
    """Streams to each process the images of its own, which are not as many."""

    def __init__(self, resize: ProgressiveResize) -> None:
        super().__init__()
        self.resize = resize

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        mine = Stream(45, self.trainer.global_rank, self.trainer.world_size)
        return sized(DataLoader(mine, 2, num_workers=1), self.resize)


def main(sampler: str) -> dict[str, Any]:
    grow = Grow(8) if sampler == "grow" else None
    resize = ProgressiveResize(RAMP, verbose=False, batch_size=grow)
    data = Images()
    options: dict[str, Any] = {"batch_size": 2, "shuffle": True}
    if sampler == "batch_sampler":
        options = {"batch_sampler": Batches(SequentialSampler(data), 2, False)}
    loader = DataLoader(data, num_workers=1, **options)
    trainer = L.Trainer(
        max_epochs=3,
        limit_train_batches=10 if sampler == "stream" else 1.0,
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        accumulate_grad_batches=1 if grow else 2,
        callbacks=[resize],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    module = Module()
    streams = sampler == "stream"
    trainer.fit(module, Shards(resize) if streams else sized(loader, resize))
    return {
        "world": trainer.world_size,
        "came": module.came,
        "planned": module.planned,
        "labels": module.labels,
        "lengths": module.lengths,
        "grown": [resize.plan.batch_at(step) for step in range(resize.plan.total_steps)]
        if grow and resize.plan
        else module.lengths,
        "corrected": resize.mismatched,
    }


if __name__ == "__main__":
    finish({sampler: main(sampler) for sampler in sys.argv[1:]})
