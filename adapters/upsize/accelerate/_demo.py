"""The demo's training loop with Accelerate."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize
from upsize.demo._run import Batches, Epoch, OnStep, Training

__all__ = ["train"]


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo._run.train` does, in a loop with Accelerate."""
    accelerator = Accelerator(
        cpu=True,
        step_scheduler_with_optimizer=False,
        dataloader_config=DataLoaderConfiguration(dispatch_batches=False),
    )
    model, optimizer, scheduler, loader = accelerator.prepare(
        training.model,
        training.optimizer,
        training.scheduler,
        DataLoader(Batches(training), batch_size=None),
    )
    resize = ProgressiveResize(
        training.schedule,
        accelerator,
        loader=loader,
        total_steps=training.plan.total_steps,
        final_size=training.plan.final_size,
        verbose=False,
    )
    seconds, step = 0.0, 0
    while step < training.plan.total_steps:
        begin = time.perf_counter()
        for images, labels in resize.batches(loader):
            with accelerator.accumulate(model):
                optimizer.zero_grad()
                accelerator.backward(F.cross_entropy(model(images), labels))
                optimizer.step()
                scheduler.step()
            step += 1
            on_step(step, resize.size)
        seconds += time.perf_counter() - begin
        yield Epoch(seconds, training.accuracy())
    resize.remove()
