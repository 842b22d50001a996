"""The demo's training run with fastai."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from upsize.demo._epoch_stepper import EpochStepper
from upsize.demo._run import Batches, Epoch, OnStep, Training
from upsize.fastai import ProgressiveResize

__all__ = ["train"]


class _Stepping(Callback):
    """Passes the learner's epochs to the stepper, and its steps to ``on_step``."""

    run_valid = False

    def __init__(
        self,
        resize: ProgressiveResize,
        training: Training,
        stepper: EpochStepper,
        on_step: OnStep,
    ) -> None:
        super().__init__()
        self._resize, self._training = resize, training
        self._stepper, self._on_step = stepper, on_step

    def before_epoch(self) -> None:
        self._stepper.begin()

    def after_step(self) -> None:
        self._training.scheduler.step()

    def after_batch(self) -> None:
        size = self._resize.size
        assert size is not None
        self._on_step(self.train_iter, size)

    def after_epoch(self) -> None:
        self._stepper.end()


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo._run.train` does, with a fastai learner."""
    resize = ProgressiveResize(
        schedule=training.schedule,
        final_size=training.plan.final_size,
        preallocate=False,
        verbose=False,
    )
    stepper = EpochStepper()
    learner = Learner(
        DataLoaders(Batches(training), [], device="cpu"),
        training.model,
        loss_func=F.cross_entropy,
        opt_func=OptimWrapper(opt=training.optimizer),
        lr=training.optimizer.param_groups[0]["lr"],
        cbs=[resize, _Stepping(resize, training, stepper, on_step)],
    )

    def fit() -> None:
        with learner.no_bar(), learner.no_logging():
            learner.fit(training.epochs)

    for seconds in stepper.run(fit, training.epochs):
        yield Epoch(seconds, training.accuracy())
