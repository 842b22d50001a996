"""The demo's training run with Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import lightning.pytorch as L
import torch.nn.functional as F
from torch import Tensor

from upsize.demo._epoch_stepper import EpochStepper
from upsize.demo._run import Batches, Epoch, OnStep, Training
from upsize.lightning import ProgressiveResize

__all__ = ["train"]


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


class _Stepping(L.Callback):
    """Passes the trainer's epochs to the stepper, and its steps to ``on_step``."""

    def __init__(
        self, resize: ProgressiveResize, stepper: EpochStepper, on_step: OnStep
    ) -> None:
        self._resize, self._stepper, self._on_step = resize, stepper, on_step

    def on_train_epoch_start(self, *_: Any, **__: Any) -> None:
        self._stepper.begin()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        size = self._resize.size
        assert size is not None
        self._on_step(trainer.global_step, size)

    def on_train_epoch_end(self, *_: Any, **__: Any) -> None:
        self._stepper.end()


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo._run.train` does, with a Lightning trainer."""
    # Lightning warns about missing accelerators, and about its own calls into torch.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", r".*LeafSpec", FutureWarning)
    resize = ProgressiveResize(
        training.schedule, final_size=training.plan.final_size, verbose=False
    )
    stepper = EpochStepper()
    trainer = L.Trainer(
        max_epochs=training.epochs,
        callbacks=[resize, _Stepping(resize, stepper, on_step)],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module, batches = _Module(training), Batches(training)
    for seconds in stepper.run(lambda: trainer.fit(module, batches), training.epochs):
        yield Epoch(seconds, training.accuracy())
