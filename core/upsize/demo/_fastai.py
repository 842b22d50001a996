"""The demo's training run with fastai."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from upsize.demo._data import Data
from upsize.demo._run import Batches, Epoch, OnStep, Training
from upsize.demo._turns import Turns
from upsize.fastai import ProgressiveResize
from upsize.schedule import Plan

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


def train(
    data: Data, plan: Plan, *, batch_size: int, seed: int, on_step: OnStep
) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo.train` does, in a learner of fastai.

    Args:
        data: The task.
        plan: The sizes.
        batch_size: Images in a batch.
        seed: As for the plain loop: the same images in the same order.
        on_step: Called after each step.

    Yields:
        The state after each epoch.
    """
    training = Training(data, plan, batch_size=batch_size, seed=seed)
    resize = ProgressiveResize(
        schedule=plan.schedule,
        final_size=plan.final_size,
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
    epochs = plan.total_steps // training.steps_per_epoch

    def fit() -> None:
        with learner.no_bar(), learner.no_logging():
            learner.fit(epochs)

    for seconds in turns.run(fit, epochs):
        yield Epoch(seconds, training.accuracy())
