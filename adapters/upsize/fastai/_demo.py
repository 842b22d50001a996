"""The demo's training run with fastai."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from upsize.demo._run import Batches, Epoch, OnStep, Training
from upsize.demo._turns import Turns
from upsize.fastai import ProgressiveResize

__all__ = ["train"]


class _Turns(Callback):
    """Hands the learner's epochs to the turns, and its steps to ``on_step``."""

    run_valid = False

    def __init__(
        self,
        resize: ProgressiveResize,
        training: Training,
        turns: Turns,
        on_step: OnStep,
    ) -> None:
        super().__init__()
        self._resize, self._training = resize, training
        self._turns, self._on_step = turns, on_step

    def before_epoch(self) -> None:
        self._turns.begin()

    def after_step(self) -> None:
        self._training.scheduler.step()

    def after_batch(self) -> None:
        size = self._resize.size
        assert size is not None
        self._on_step(self.train_iter, size)

    def after_epoch(self) -> None:
        self._turns.end()


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo.train` does, in a learner of fastai."""
    resize = ProgressiveResize(
        schedule=training.plan.schedule,
        final_size=training.plan.final_size,
        preallocate=False,
        verbose=False,
    )
    turns = Turns()
    learner = Learner(
        DataLoaders(Batches(training), [], device="cpu"),
        training.model,
        loss_func=F.cross_entropy,
        opt_func=OptimWrapper(opt=training.optimizer),
        lr=training.optimizer.param_groups[0]["lr"],
        cbs=[resize, _Turns(resize, training, turns, on_step)],
    )

    def fit() -> None:
        with learner.no_bar(), learner.no_logging():
            learner.fit(training.epochs)

    for seconds in turns.run(fit, training.epochs):
        yield Epoch(seconds, training.accuracy())
