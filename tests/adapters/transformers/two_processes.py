"""Run by torchrun in test_two_processes.py: prints what this process trained on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torchrun import finish
from tests.adapters.transformers.test_merge import Run
from tests.adapters.transformers.test_sized import Crops
from tests.adapters.transformers.test_sized_streams import Stream as Crossing
from tests.adapters.transformers.test_sizes import Stream
from tests.adapters.transformers.tools import Images, Net, planned, trainer, vit

from upsize.schedule import Ramp


def main(kind: str, folder: str) -> dict[str, Any]:
    options: dict[str, Any] = {"train_dataset": Images(45)}  # uneven on two processes
    if kind == "stream":
        options = {"train_dataset": Stream(), "max_steps": 12}
    if kind == "sized":
        options = {"train_dataset": Crops(), "sized": True}
    if kind in ("joined", "sharded"):
        options = {
            "train_dataset": Crossing(), "max_steps": 12, "sized": True,
            "accelerator_config": {"dispatch_batches": kind == "joined"},
        }  # fmt: skip
    made = trainer(
        Path(folder), vit() if kind == "vit" else Net(), preallocate=kind == "vit",
        schedule=Ramp(final_size=32, increase_by=8), gradient_accumulation_steps=2,
        **options,
    )  # fmt: skip
    made.train()
    values = torch.cat([p.detach().flatten() for p in made.model.parameters()])
    return {
        "world": made.accelerator.num_processes,
        "seen": made.seen,
        "as planned": planned(made) == made.seen,
        "corrected": made.mismatched,
        "weights": values.double().sum().item(),
    }


def merged(merge: bool, folder: str) -> dict[str, Any]:
    """Train a model whose loss is divided by the items of all processes."""
    run = Run(Path(folder), merge, vit(), Images(45)).train()
    return {
        "passes": run.counts.passes,
        "log": [row["loss"] for row in run.log if "loss" in row],
        "weights": [
            [p.sum().item(), p.norm().item()] for p in run.made.model.parameters()
        ],
    }


if __name__ == "__main__":
    root, *kinds = sys.argv[1:]
    report: dict[str, Any] = {kind: main(kind, f"{root}/{kind}") for kind in kinds}
    report["merged"] = [merged(merge, f"{root}/merged") for merge in (False, True)]
    finish(report)
