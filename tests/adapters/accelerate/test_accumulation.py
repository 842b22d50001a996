"""Accumulation without ``accelerator.accumulate`` is noticed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from accelerate import Accelerator
from tests.adapters.accelerate.test_progress import RAMP, dataset, net
from torch import nn, optim
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize


class Loop:
    """A training of epochs of eight batches; notes its warnings and sizes."""

    def __init__(self, given: int = 1, **length: int) -> None:
        self.accelerator = Accelerator(cpu=True, gradient_accumulation_steps=given)
        model = net()
        self.model, self.optimizer, self.loader = self.accelerator.prepare(
            model, optim.SGD(model.parameters(), 0.1), DataLoader(dataset(16), 2)
        )
        self.resize = ProgressiveResize(
            RAMP, self.accelerator, loader=self.loader, verbose=False,
            **(length or {"epochs": 3}),
        )  # fmt: skip
        self.widths: list[int] = []

    def train(self, body: Callable[[Loop, int, Any], None]) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                for n, batch in enumerate(self.resize.batches(self.loader), 1):
                    self.widths.append(batch[0].shape[-1])
                    body(self, n, batch)
        return [str(each.message) for each in caught]

    def backward(self, batch: Any) -> None:
        loss = nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        self.accelerator.backward(loss)

    def step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()


def by_hand(loop: Loop, n: int, batch: Any) -> None:
    loop.backward(batch)
    if n % 4 == 0:
        loop.step()


def without_sync(loop: Loop, n: int, batch: Any) -> None:
    waits = n % 4 != 0
    with loop.accelerator.no_sync(loop.model) if waits else nullcontext():
        loop.backward(batch)
    if not waits:
        loop.step()


def each(loop: Loop, n: int, batch: Any) -> None:
    loop.backward(batch)
    loop.step()


def within(loop: Loop, n: int, batch: Any) -> None:
    with loop.accelerator.accumulate(loop.model):
        each(loop, n, batch)


@pytest.mark.parametrize("body", [by_hand, without_sync])
@pytest.mark.parametrize("length", [{"epochs": 3}, {"total_steps": 24}])
def test_by_hand(body: Any, length: dict[str, int]) -> None:
    texts = Loop(**length).train(body)
    assert len(texts) == 1
    assert texts[0].startswith("optimizers step after every 4 batches, and upsize")
    assert "gradient_accumulation_steps=4, and train within" in texts[0]


@pytest.mark.parametrize("body", [by_hand, each])
def test_a_number_that_is_given_and_not_used(body: Any) -> None:
    """Each batch counts, of a run that is planned in windows."""
    loop = Loop(4)
    assert loop.resize.plan.total_steps == 6
    texts = loop.train(body)
    assert len(texts) == 1
    assert texts[0].startswith("every batch counts as a step, not every 4: images grow")


@pytest.mark.parametrize(
    ("given", "body"), [(4, within), (3, within), (1, within), (1, each)]
)
def test_what_is_right_is_silent(given: int, body: Any) -> None:
    loop = Loop(given)
    assert loop.train(body) == []
    steps = loop.resize.plan.steps_per_epoch
    assert steps is not None
    windows = [epoch * steps + n // given for epoch in range(3) for n in range(8)]
    assert loop.widths == [loop.resize.plan.size_at(n).width for n in windows]
