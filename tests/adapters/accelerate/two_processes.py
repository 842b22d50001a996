"""Run by torchrun in test_two_processes.py: prints what this process trained on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import merged_processes
import sized_processes
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DataLoaderConfiguration, ProjectConfiguration
from tests.adapters.torchrun import finish
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from upsize.accelerate import ProgressiveResize
from upsize.schedule import Ramp

SIZED = ["even", "uneven", "split"]


class Images(Dataset[Any]):
    def __len__(self) -> int:
        return 45  # uneven on two processes

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        generator = torch.Generator().manual_seed(index)
        return torch.rand(3, 16, 16, generator=generator), index % 2


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        images = Images()
        yield from (images[index] for index in range(len(images)))


def main(kind: str, folder: str) -> dict[str, Any]:
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_steps=2,
        dataloader_config=DataLoaderConfiguration(
            split_batches=kind == "split",
            even_batches=kind != "uneven",
            dispatch_batches=True if kind == "stream" else None,
        ),
    )
    assert accelerator.num_processes == 2
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    data: Any = Stream() if kind == "stream" else Images()
    loader = DataLoader(data, 4, shuffle=kind != "stream", drop_last=kind == "uneven")
    model, optimizer, loader = accelerator.prepare(
        model, torch.optim.SGD(model.parameters(), 0.1), loader
    )
    length: dict[str, Any] = {"epochs": 4}
    if kind == "stream":
        length = {"total_steps": 4 * 3}
    resize = ProgressiveResize(
        Ramp(final_size=16, increase_by=4), accelerator, loader=loader, verbose=False,
        **length,
    )  # fmt: skip
    seen = []
    for _ in range(4):
        for images, labels in resize.batches(loader):
            with accelerator.accumulate(model):
                seen.append((resize.optimizer_steps, images.shape[-1]))
                loss = nn.functional.cross_entropy(model(images), labels)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    planned = [(step, resize.plan.size_at(step).width) for step, _ in seen]
    accelerator.save_state(folder)
    accelerator.wait_for_everyone()
    resize.fast_forward(0)
    accelerator.load_state(folder)
    return {
        "world": accelerator.num_processes,
        "seen": seen,
        "as planned": planned == seen,
        "steps": resize.optimizer_steps,
        "total": resize.plan.total_steps,
        "weights": weights.double().sum().item(),
    }


def nodes(folder: str) -> dict[str, Any]:
    """Save on each of two nodes, lose the file of one, and load."""
    accelerator = Accelerator(
        cpu=True,
        project_config=ProjectConfiguration(save_on_each_node=True),
    )
    # As on two machines of one process each.
    PartialState().local_process_index = 0
    loader = accelerator.prepare(DataLoader(Images(), 4, drop_last=True))
    resize = ProgressiveResize(
        Ramp(final_size=16, increase_by=4), accelerator, loader=loader, epochs=4,
        verbose=False,
    )  # fmt: skip
    for _ in resize.batches(loader):
        pass
    own = Path(folder, str(accelerator.process_index))
    accelerator.save_state(str(own))
    saved = Path(own, "upsize.json")
    found = saved.exists()
    accelerator.wait_for_everyone()
    if accelerator.process_index == 1:
        saved.unlink(missing_ok=True)
    resize.fast_forward(0)
    accelerator.load_state(str(own))
    try:
        next(iter(resize.batches(loader)))
    except ValueError as error:
        refused = str(error)
    else:
        refused = ""
    return {"found": found, "refused": refused}


if __name__ == "__main__":
    root, *kinds = sys.argv[1:]
    report = {kind: main(kind, f"{root}/{kind}") for kind in kinds}
    report["sized"] = {kind: sized_processes.main(kind) for kind in SIZED}
    report["merged"] = [merged_processes.main(merge) for merge in (False, True)]
    report["uneven merged"] = [
        merged_processes.main(merge, is_uneven=True) for merge in (False, True)
    ]
    report["grown"] = [merged_processes.grown(split) for split in (False, True)]
    finish(report | {"nodes": nodes(f"{root}/nodes")})
