"""One training, timed by the processor, and what its model gets right elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from tests.benchmarks.evidence.task import CELLS, GridNet, Modules, modules
from torch import Tensor, nn

from upsize.demo._data import LabelledImages
from upsize.loop import ProgressiveResize
from upsize.resize import resize
from upsize.schedule import Plan, Schedule

__all__ = ["ARRANGEMENTS", "BATCH_SIZE", "Measured", "steps_per_epoch", "train"]

#: Modules in a batch.
BATCH_SIZE = 4
#: How often the cells of the check are arranged in modules.
ARRANGEMENTS = 8

_RATE = 0.05
_CHECK_SEED = 1
_MIDDLE, _SCALE = 100.0, 50.0


class Measured(NamedTuple):
    """What a training took and reached.

    Args:
        cpu: Seconds of the process's CPU time for the training, without the check.
        accuracy: Share of the cells whose class the model gets right.
    """

    cpu: float
    accuracy: float


def steps_per_epoch(photographs: LabelledImages) -> int:
    """Return the batches of an epoch, in which each cell is used once."""
    return len(photographs) // (BATCH_SIZE * CELLS**2)


def _at(batch: Modules, side: int) -> list[Tensor]:
    """Return floats of this size: below full size, as if small images were all there is."""
    return [(resize(batch.images.float(), side) - _MIDDLE) / _SCALE, batch.labels]


def _scored(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of the cells that the images show, and their classes."""
    shown = labels >= 0
    return model(images, shown.sum(1)), labels[shown]


def _accuracy(model: nn.Module, photographs: LabelledImages, side: int) -> float:
    """Return the share of the cells, in the same modules at each call."""
    generator = torch.Generator().manual_seed(_CHECK_SEED)
    model.eval()
    right = count = 0
    with torch.inference_mode():
        for _ in range(ARRANGEMENTS):
            for batch in modules(photographs, 1, generator, mirror=False):
                scores, classes = _scored(model, *_at(batch, side))
                right += int((scores.argmax(1) == classes).sum())
                count += classes.numel()
    return right / count


def train(
    photographs: LabelledImages,
    check: LabelledImages,
    schedule: Schedule,
    plan: Plan,
    least: int,
    seed: int,
) -> Measured:
    """Train a small residual network from scratch, and check it at the plan's full size.

    Args:
        photographs: Of the cells to train on.
        check: Of other cells.
        schedule: What grows and when.
        plan: The schedule's sizes. Its full size may be smaller than the modules are.
        least: Cells a side that an image to train on shows at least.
        seed: Of the weights, the places, the mirroring and the parts shown.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GridNet()
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), _RATE, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=plan.total_steps + 1, pct_start=0.25
    )
    side = plan.final_size.height
    resizing = ProgressiveResize(
        schedule,
        total_steps=plan.total_steps,
        steps_per_epoch=plan.steps_per_epoch,
        final_size=side,
    )

    def batches() -> Iterator[list[Tensor]]:
        drawn = modules(photographs, BATCH_SIZE, generator, mirror=True, least=least)
        for batch in drawn:
            yield _at(batch, side)

    began = time.process_time()
    for _ in range(plan.total_steps // steps_per_epoch(photographs)):
        for images, labels in resizing.batches(batches()):
            images = images.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(*_scored(model, images, labels))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            scheduler.step()
    cpu = time.process_time() - began
    return Measured(cpu, _accuracy(model, check, side))
