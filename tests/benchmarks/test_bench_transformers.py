"""What the adapter costs a step at full size, where there is nothing to resize.

The same trainer on the same data, with and without it, in turns.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from upsize.schedule import Ramp
from upsize.transformers import attach

STEPS = 200


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": self.weight * 2}


class Clock(TrainerCallback):
    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self.began


def seconds(path: Path, resized: bool) -> float:
    sample, clock = {"pixel_values": torch.rand(3, 8, 8), "labels": 0}, Clock()
    args = TrainingArguments(
        str(path), num_train_epochs=1, per_device_train_batch_size=1, use_cpu=True,
        report_to="none", save_strategy="no", logging_strategy="no", optim="sgd",
        disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(Model(), args, train_dataset=[sample] * STEPS, callbacks=[clock])  # type: ignore[arg-type]
    if resized:
        attach(trainer, Ramp(initial_size=1.0), verbose=False)
    trainer.train()
    return clock.seconds / STEPS


def test_an_idle_step_costs_less_than_200_microseconds(tmp_path: Path) -> None:
    plain, adapted = [], []
    for _ in range(9):
        plain.append(seconds(tmp_path, resized=False))
        adapted.append(seconds(tmp_path, resized=True))
    cost = statistics.median(adapted) - statistics.median(plain)
    print(f"\ntransformers: {1e6 * cost:.1f} us a step at full size")
    assert cost < 200e-6
