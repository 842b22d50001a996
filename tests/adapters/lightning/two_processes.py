"""Run by test_packages.py: each process writes what it trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from tests.adapters.lightning.tools import Module, loader

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp


class Reporting(Module):
    def on_train_end(self) -> None:
        resize: Any = self.trainer.callbacks[0]  # type: ignore[attr-defined]
        weights = torch.cat([p.detach().flatten() for p in self.parameters()])
        report = {
            "world": self.trainer.world_size,
            "widths": self.widths,
            "planned": [resize.plan.size_at(step).width for step in self.steps],
            "weights": weights.double().sum().item(),
        }
        Path(sys.argv[2], f"{self.global_rank}.json").write_text(json.dumps(report))


def main() -> None:
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
    trainer.fit(Reporting(), loader(40, side=16, shuffle=True))


if __name__ == "__main__":
    main()
