"""Random sizes: what the contract suite does not ask of all ways of training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from tests.adapters.contract.ways.common import BATCH, BATCHES, labelled
from torch import nn
from torch.utils.data import DataLoader

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
from upsize.schedule import MultiScale, Ramp

SIZES = (16, 20, 24, 28, 32)
# Batches are steps of windows of two: three in an epoch of five batches.
ALONE = MultiScale(sizes=SIZES, every=2, seed=1)


def loader() -> DataLoader[Any]:
    return DataLoader(labelled(), BATCH)


def test_fastai_tries_the_largest_size_first() -> None:
    seen: list[int] = []

    class Largest(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images.shape[-1])
            return images.mean((1, 2, 3))[:, None].expand(-1, 2) * self.scale

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

    net = Largest()
    learner = Learner(
        DataLoaders(loader(), [], device="cpu"), net,
        loss_func=nn.functional.cross_entropy, lr=0.1,
        opt_func=OptimWrapper(opt=torch.optim.SGD(net.parameters(), 0.1)),
        cbs=upsize.fastai.ProgressiveResize(
            schedule=MultiScale(
                sizes=(16, 24), before=Ramp(increase_by=16), start=0.8, final_size=32,
                finish=0.9,
            ),
            verbose=False,
        ),
    )  # fmt: skip
    learner.remove_cb(learner.progress)
    with learner.no_logging():
        learner.fit(4)
    assert seen[:2] == [32, 16]


def test_a_longer_loop_resumes_with_the_same_draws() -> None:
    def run(resize: Any, epochs: int) -> list[int]:
        return [
            images.shape[-1]
            for _ in range(epochs)
            for images, _ in resize.batches(loader())
        ]

    def resizer(epochs: int = 4) -> upsize.loop.ProgressiveResize:
        return upsize.loop.ProgressiveResize(
            ALONE, epochs=epochs, steps_per_epoch=BATCHES
        )

    whole = run(resizer(), 4)
    first = resizer()
    head = run(first, 2)
    longer = resizer(6)
    with pytest.warns(UserWarning, match="20 steps and this one 30"):
        longer.load_state_dict(first.state_dict())
    assert head + run(longer, 2) == whole


def test_frozen_layers_of_fastai_train_at_the_first_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), head)
    learner = Learner(
        DataLoaders(loader(), loader(), device="cpu"), net,
        loss_func=nn.functional.cross_entropy, lr=0.1,
        splitter=lambda m: [list(m[0].parameters()), list(m[1].parameters())],
        cbs=upsize.fastai.ProgressiveResize(schedule=ALONE, resize_valid=False),
    )  # fmt: skip
    learner.remove_cb(learner.progress)
    widths: list[int] = []
    net.register_forward_pre_hook(
        lambda module, args: (
            widths.append(args[0].shape[-1]) if module.training else None
        )
    )
    with learner.no_logging():
        learner.fine_tune(1, freeze_epochs=2)
    printed = capsys.readouterr().out
    assert "frozen model at the initial image size of 16x16 to 32x32." in printed
    frozen = ALONE.plan(total_steps=2 * BATCHES)
    expected = [frozen.size_at(step).width for step in range(2 * BATCHES)]
    # Each of the two fits begins with a dry run, unless its first size is the largest.
    dry = int(expected[0] != 32)
    assert widths[dry : dry + 2 * BATCHES] == expected
