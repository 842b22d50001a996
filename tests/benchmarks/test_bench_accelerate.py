"""What the adapter costs a step at full size, where there is nothing to resize.

The same loop over the same prepared loader, with and without it, in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

from upsize.accelerate import ProgressiveResize
from upsize.schedule import Ramp

STEPS = 400


def test_an_idle_step_costs_less_than_50_microseconds() -> None:
    accelerator = Accelerator(cpu=True)
    data = TensorDataset(torch.rand(STEPS, 3, 8, 8), torch.zeros(STEPS))
    loader = accelerator.prepare(DataLoader(data, 1))
    resize = ProgressiveResize(
        Ramp(initial_size=1.0, final_size=8), accelerator, loader=loader, epochs=1,
        verbose=False,
    )  # fmt: skip

    def seconds(batches: Iterable[Any]) -> float:
        begin = time.perf_counter()
        for _ in batches:
            pass
        return (time.perf_counter() - begin) / STEPS

    plain, adapted = [], []
    for _ in range(9):
        plain.append(seconds(loader))
        adapted.append(seconds(resize.batches(loader)))
    cost = statistics.median(adapted) - statistics.median(plain)
    print(f"\nAccelerate: {1e6 * cost:.1f} us a step at full size")
    assert cost < 50e-6
