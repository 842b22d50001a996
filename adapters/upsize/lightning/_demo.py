"""The demo's training run with Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import lightning.pytorch as L
import torch.nn.functional as F
from torch import Tensor

from upsize.demo._run import Batches, Epoch, OnStep, Training
from upsize.demo._turns import Turns
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


class _Turns(L.Callback):
    """Hands the trainer's epochs to the turns, and its steps to ``on_step``."""

    def __init__(
        self, resize: ProgressiveResize, turns: Turns, on_step: OnStep
    ) -> None:
        self._resize, self._turns, self._on_step = resize, turns, on_step

    def on_train_epoch_start(self, *_: Any, **__: Any) -> None:
        self._turns.begin()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        size = self._resize.size
        assert size is not None
        self._on_step(trainer.global_step, size)

    def on_train_epoch_end(self, *_: Any, **__: Any) -> None:
        self._turns.end()


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo.train` does, in a trainer of Lightning."""
    # Lightning tells of missing accelerators, and of its own calls into torch.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", r".*LeafSpec", FutureWarning)
    resize = ProgressiveResize(
        training.plan.schedule, final_size=training.plan.final_size, verbose=False
    )
    turns = Turns()
    trainer = L.Trainer(
        max_epochs=training.epochs,
        callbacks=[resize, _Turns(resize, turns, on_step)],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module, batches = _Module(training), Batches(training)
    for seconds in turns.run(lambda: trainer.fit(module, batches), training.epochs):
        yield Epoch(seconds, training.accuracy())
