"""FFCV's ramp of the resolution, driven as its script for ImageNet drives it.

FFCV sets the size of its decoder before each epoch; upsize names that size. A decoder
with the same attribute stands in for FFCV's, which needs libraries of the system.
tests/core/schedule/test_presets.py compares the sizes of every configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from upsize.loop import ProgressiveResize
from upsize.models import update_bn
from upsize.schedule import Plan, finish_hint
from upsize.schedule.presets import ffcv

STEPS = 2


class Decoder:
    """Has the size of its images as an attribute, read for each batch."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.output_size = size


class Loader:
    """Batches of images at the size of the decoder."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(STEPS):
            yield torch.rand(2, 3, *self.decoder.output_size), torch.zeros(2).long()


def resolution(epoch: int, low: int, high: int, start: int, end: int) -> int:
    """Say what FFCV's documentation of its options describes."""
    if low == high or epoch <= start:
        return low
    side = np.interp(epoch, [start, end], [low, high])
    return high if epoch >= end else int(np.round(side / 32)) * 32


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 2, 3, 8), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def train(
    plan: Plan, epochs: Any, model: nn.Module, resize: Any = None
) -> list[tuple[int, ...]]:
    """Train as FFCV's script does; return the shapes that the model sees."""
    decoder = Decoder(tuple(plan.size_at(0)))
    loader, seen = Loader(decoder), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for epoch in epochs:
        decoder.output_size = tuple(plan.size_at(epoch * STEPS))
        for images, labels in loader if resize is None else resize.batches(loader):
            seen.append(tuple(images.shape[-2:]))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    return seen


@pytest.mark.parametrize(
    ("low", "high", "start", "end"),
    [(160, 192, 2, 4), (64, 128, 0, 6), (32, 96, 3, 4), (64, 64, 0, 0), (32, 64, 0, 0)],
)
def test_each_epoch_has_the_resolution_of_the_ramp(
    low: int, high: int, start: int, end: int
) -> None:
    schedule = ffcv(min_res=low, max_res=high, start_ramp=start, end_ramp=end)
    plan = schedule.plan(epochs=8, steps_per_epoch=STEPS)
    seen = train(plan, range(8), network())
    sides = [resolution(epoch, low, high, start, end) for epoch in range(8)]
    assert seen == [(side, side) for side in sides for _ in range(STEPS)]


def test_the_loop_takes_batches_of_the_decoder_as_they_come() -> None:
    schedule = ffcv(min_res=32, max_res=96, start_ramp=1, end_ramp=4)
    resize = ProgressiveResize(schedule, epochs=6, steps_per_epoch=STEPS)
    resize.size_source.expect(from_now=True)
    seen = train(resize.plan, range(6), network(), resize)
    assert seen == [tuple(resize.plan.size_at(step)) for step in range(12)]
    assert resize.is_over
    assert resize.mismatched == 0


def test_a_run_continues_at_the_resolution_of_its_epoch() -> None:
    schedule = ffcv(min_res=32, max_res=96, start_ramp=1, end_ramp=4)
    plan = schedule.plan(epochs=6, steps_per_epoch=STEPS)
    whole = train(plan, range(6), network())
    assert (
        train(plan, range(3), network()) + train(plan, range(3, 6), network()) == whole
    )


def test_the_test_size_is_above_the_last_training_size() -> None:
    # FFCV's configurations end at 192 pixels and evaluate at 256.
    plan = ffcv(16).plan(epochs=16, steps_per_epoch=STEPS)
    assert finish_hint(plan, test_size=256) is None
    assert "may end at 160x160" not in str(finish_hint(plan, test_size=192))
    model = network()
    before = model[1].running_mean.clone()
    assert update_bn(model, Loader(Decoder((256, 256))), size=256) == STEPS
    assert not torch.equal(before, model[1].running_mean)
    assert model(torch.rand(1, 3, 256, 256)).shape == (1, 2)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"min_res": 192, "max_res": 160}, "larger than final_size"),
        ({"start_ramp": 5, "end_ramp": 3}, "comes before"),
        ({"min_res": 150}, "multiple"),
        ({"max_res": 200}, "multiple"),
        ({"start_ramp": -1}, "start"),
    ],
)
def test_options_that_contradict_each_other(bad: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ffcv(**{"start_ramp": 2, "end_ramp": 4} | bad)
