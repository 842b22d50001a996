"""A hook counts a step of its optimizer once, whatever the optimizer's class does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize, ResizeHook
from upsize.schedule import Ramp


class Subclass(torch.optim.SGD):
    """Does more with a step."""

    def step(self, *args: Any, **more: Any) -> Any:
        return super().step(*args, **more)


class Failing(Subclass):
    """Fails in its first step."""

    fails = True

    def step(self, *args: Any, **more: Any) -> Any:
        if self.fails:
            self.fails = False
            raise RuntimeError("not this time")
        return super().step(*args, **more)


@pytest.mark.parametrize("kind", [torch.optim.SGD, Subclass, Failing])
def test_a_step_counts_once(kind: Any) -> None:
    torch.optim.SGD([nn.Parameter(torch.zeros(1))])  # hooks the step of the class
    accelerator = Accelerator(cpu=True)
    model = nn.Conv2d(3, 1, 1)
    images: Any = torch.rand(4, 3, 32, 32)
    model, optimizer, loader = accelerator.prepare(
        model,
        kind(model.parameters(), 0.1),
        DataLoader(images, 1),
    )
    resize = ProgressiveResize(
        Ramp(final_size=32, increase_by=16), accelerator, loader=loader, epochs=2,
        verbose=False,
    )  # fmt: skip
    hook = ResizeHook(resize, optimizer)
    hook.attach(model)
    sizes, steps = [], 0
    for _ in range(2):
        for images in loader:
            out = model(images)
            out.sum().backward()
            try:
                optimizer.step()
                steps += 1
            except RuntimeError:
                continue
            sizes.append(out.shape[-1])
            assert resize.optimizer_steps == min(steps, 8)
    hook.remove(model)
    resize.remove()
    assert sizes[:4] == [16] * 4
    if kind is not Failing:
        assert sizes[4:] == [32] * 4
