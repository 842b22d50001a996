"""The demo's training run with Lightning."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import lightning.pytorch as L
import torch.nn.functional as F
from torch import Tensor

from upsize.demo._data import Data
from upsize.demo._run import Epoch, OnStep, Training
from upsize.lightning import ProgressiveResize
from upsize.schedule import Plan

__all__ = ["train"]


class _Stop(BaseException):
    """Nobody wants the epochs that are left; no error, so that nothing catches it."""


class _Batches:
    """The batches that the plain loop draws, an epoch each time."""

    def __init__(self, training: Training) -> None:
        self._training = training

    def __len__(self) -> int:
        return self._training.steps_per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._training.batches()


class _Module(L.LightningModule):
    """The plain loop's model, optimizer and learning rate."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.model = training.model
        self._training = training

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        images, labels = batch
        return F.cross_entropy(self.model(images), labels)

    def configure_optimizers(self) -> Any:
        scheduler = {"scheduler": self._training.scheduler, "interval": "step"}
        return [self._training.optimizer], [scheduler]


class _Turns(L.Callback):
    """Stops the trainer after each epoch, until the next one is asked for.

    A trainer cannot be left and entered again as a generator can, so it runs in a
    thread of its own. The two threads never run at the same time.
    """

    def __init__(self, resize: ProgressiveResize, on_step: OnStep) -> None:
        self._resize, self._on_step = resize, on_step
        self._more: SimpleQueue[bool] = SimpleQueue()
        self._outcome: SimpleQueue[float | BaseException] = SimpleQueue()
        self._seconds = self._begin = 0.0

    def ask(self) -> float:
        """Let the trainer run an epoch; return its seconds of training so far."""
        self._more.put(True)
        outcome = self._outcome.get()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def stop(self) -> None:
        """Let the trainer end where it waits."""
        self._more.put(False)

    def fit(self, trainer: L.Trainer, module: _Module, batches: _Batches) -> None:
        """Train, in the thread."""
        try:
            trainer.fit(module, batches)
        except _Stop:
            pass
        except BaseException as error:
            self._outcome.put(error)

    def on_train_epoch_start(self, *_: Any, **__: Any) -> None:
        if not self._more.get():
            raise _Stop
        self._begin = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        size = self._resize.size
        assert size is not None
        self._on_step(trainer.global_step, size)

    def on_train_epoch_end(self, *_: Any, **__: Any) -> None:
        self._seconds += time.perf_counter() - self._begin
        self._outcome.put(self._seconds)


def train(
    data: Data, plan: Plan, *, batch_size: int, seed: int, on_step: OnStep
) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo.train` does, in a trainer of Lightning.

    Args:
        data: The task.
        plan: The sizes.
        batch_size: Images in a batch.
        seed: As for the plain loop: the same images in the same order.
        on_step: Called after each step.

    Yields:
        The state after each epoch.
    """
    # Lightning tells of missing accelerators, and of its own calls into torch.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", r".*LeafSpec", FutureWarning)
    training = Training(data, plan, batch_size=batch_size, seed=seed)
    resize = ProgressiveResize(plan.schedule, final_size=plan.final_size, verbose=False)
    turns = _Turns(resize, on_step)
    trainer = L.Trainer(
        max_epochs=plan.total_steps // training.steps_per_epoch,
        callbacks=[resize, turns],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    thread = threading.Thread(
        target=turns.fit,
        args=(trainer, _Module(training), _Batches(training)),
        daemon=True,
    )
    thread.start()
    try:
        for _ in range(plan.total_steps // training.steps_per_epoch):
            yield Epoch(turns.ask(), training.accuracy())
    finally:
        turns.stop()
        thread.join()
