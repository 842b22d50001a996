"""A part of two_processes.py: the sizes that the workers of this process make."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from tests.core.loading.images import RAMP, Images
from torch import nn
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize, sized


def main(kind: str) -> dict[str, Any]:
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_steps=2,
        dataloader_config=DataLoaderConfiguration(
            split_batches=kind == "split", even_batches=kind != "uneven"
        ),
    )
    model = accelerator.prepare(nn.Conv2d(3, 1, 1))
    loader = accelerator.prepare(
        DataLoader(
            Images(count=45), 4, shuffle=True, num_workers=1, drop_last=kind == "uneven"
        )
    )
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=3, verbose=False
    )
    loader = sized(loader, resize)
    came, planned, seen = [], [], []
    for _ in range(3):
        for images, labels in resize.batches(loader):
            with accelerator.accumulate(model):
                came.append(images.shape[-1])
                planned.append(resize.plan.size_at(resize.optimizer_steps).width)
                seen.append(labels.tolist())
                accelerator.backward(model(images.float()).sum())
    return {
        "world": accelerator.num_processes,
        "came": came,
        "planned": planned,
        "labels": seen,
        "corrected": resize.mismatched,
    }
