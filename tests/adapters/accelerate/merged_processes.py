"""A part of two_processes.py: this process trains with merged and growing batches."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

from upsize.accelerate import ProgressiveResize, sized
from upsize.schedule import Grow, Phases


def main(merge: bool, *, is_uneven: bool = False) -> dict[str, Any]:
    """Train two epochs of 45 images, of which Accelerate uses three twice.

    Where it is told not to, a process has a batch of one image. To synchronize each
    batch, as FSDP does, all processes must then have as many of them.
    """
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_plugin=GradientAccumulationPlugin(
            num_steps=4, sync_each_batch=is_uneven
        ),
        dataloader_config=DataLoaderConfiguration(even_batches=not is_uneven),
    )
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 3).double()
    images = torch.rand(45, 3, 16, 16, dtype=torch.float64)
    data = TensorDataset(images, torch.arange(45))
    model, optimizer, loader = accelerator.prepare(
        conv, torch.optim.SGD(conv.parameters(), 0.1), DataLoader(data, 4)
    )
    resize = ProgressiveResize(
        Phases(phases=((0.0, 8), (0.5, 16))), accelerator, loader=loader, epochs=2,
        merge=merge, verbose=False,
    )  # fmt: skip
    passes, syncs, gathered = 0, [], []
    for _ in range(2):
        for batch, labels in resize.batches(loader):
            with accelerator.accumulate(model):
                passes += 1
                syncs.append(accelerator.sync_gradients)
                accelerator.backward(model(batch).sin().mean((1, 2, 3)).mean())
                both: Any = labels
                if not is_uneven:
                    both = accelerator.gather_for_metrics(labels)
                gathered += both.tolist()
                optimizer.step()
                optimizer.zero_grad()
    resize.remove()
    return {
        "world": accelerator.num_processes,
        "passes": passes,
        "steps": sum(syncs),
        "gathered": sorted(gathered),
        "weights": [p.flatten().tolist() for p in conv.parameters()],
    }


class Crops(TensorDataset):
    """Numbered images that are cropped to their size."""

    def __init__(self) -> None:
        images = torch.rand(45, 3, 18, 18, dtype=torch.float64)
        super().__init__(images, torch.arange(45))
        self.transform = Compose([Resize(18), CenterCrop(16)])

    def __getitem__(self, index: int) -> Any:  # type: ignore[override]
        image, number = super().__getitem__(index)
        return self.transform(image), number


def grown(split: bool) -> dict[str, Any]:
    """Train two epochs with batches that grow."""
    accelerator = Accelerator(
        cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=split)
    )
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 3).double()
    model, optimizer, loader = accelerator.prepare(
        conv, torch.optim.SGD(conv.parameters(), 0.1),
        DataLoader(Crops(), 8 if split else 4, shuffle=True),
    )  # fmt: skip
    resize = ProgressiveResize(
        Phases(phases=((0.0, 8), (0.5, 16))), accelerator, loader=loader, epochs=2,
        batch_size=Grow(16), verbose=False,
    )  # fmt: skip
    loader = sized(loader, resize)
    seen, labels = [], []
    for _ in range(2):
        for batch, numbers in resize.batches(loader):
            with accelerator.accumulate(model):
                seen.append((batch.shape[-1], len(batch)))
                labels += numbers.tolist()
                accelerator.backward(model(batch).sin().mean())
                optimizer.step()
                optimizer.zero_grad()
    resize.remove()
    plan = resize.plan
    return {
        "seen": seen,
        "planned": [
            (plan.size_at(step).width, plan.batch_at(step))
            for step in range(plan.total_steps)
        ],
        "labels": labels,
        "weights": [p.flatten().tolist() for p in conv.parameters()],
    }
