"""What the callback costs a step at full size, where there is nothing to resize.

The same trainer on the same data, with and without it, in turns.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp

STEPS = 400


class Module(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.weight * 2

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_train_start(self) -> None:
        self.began = time.perf_counter()

    def on_train_end(self) -> None:
        self.seconds = time.perf_counter() - self.began


def seconds(path: Path, callbacks: list[Any]) -> float:
    data = TensorDataset(torch.rand(STEPS, 3, 8, 8), torch.zeros(STEPS))
    module = Module()
    L.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=path,
    ).fit(module, DataLoader(data, 1))  # fmt: skip
    return module.seconds / STEPS


@pytest.mark.filterwarnings("ignore")  # Lightning's hints
def test_an_idle_step_costs_less_than_50_microseconds(tmp_path: Path) -> None:
    idle = Ramp(initial_size=1.0)
    plain, adapted = [], []
    for _ in range(9):
        plain.append(seconds(tmp_path, []))
        adapted.append(seconds(tmp_path, [ProgressiveResize(idle, verbose=False)]))
    cost = statistics.median(adapted) - statistics.median(plain)
    print(f"\nLightning: {1e6 * cost:.1f} us a step at full size")
    assert cost < 50e-6
