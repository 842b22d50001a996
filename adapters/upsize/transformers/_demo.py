"""The demo's training run with the transformers Trainer."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from upsize.demo._epoch_stepper import EpochStepper
from upsize.demo._run import Batches, Epoch, OnStep, Training
from upsize.transformers import ProgressiveResize

__all__ = ["train"]


class _Trainer(ProgressiveResize, Trainer):
    """Trains on the plain loop's batches."""

    def __init__(self, training: Training, *args: Any, **kwargs: Any) -> None:
        self._batches = Batches(training)
        super().__init__(training.model, *args, **kwargs)

    def get_train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self._batches, batch_size=None, collate_fn=_named)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        *_: Any,
        **__: Any,
    ) -> Any:
        return F.cross_entropy(model(inputs["pixel_values"]), inputs["labels"])


class _Stepping(TrainerCallback):
    """Passes the trainer's epochs to the stepper, and its steps to ``on_step``."""

    def __init__(self, stepper: EpochStepper, on_step: OnStep) -> None:
        self._stepper, self._on_step = stepper, on_step
        self.trainer: _Trainer | None = None

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._stepper.begin()

    def on_step_end(self, args: Any, state: Any, *_: Any, **__: Any) -> None:  # noqa: ARG002
        assert self.trainer is not None
        assert self.trainer.size is not None
        self._on_step(state.global_step, self.trainer.size)

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self._stepper.end()


def _named(batch: Any) -> dict[str, Tensor]:
    return {"pixel_values": batch[0], "labels": batch[1]}


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train as :func:`upsize.demo._run.train` does, with a transformers Trainer."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    stepper = EpochStepper()
    arguments = TrainingArguments(
        tempfile.gettempdir(),  # where nothing is written
        num_train_epochs=training.epochs,
        max_grad_norm=0.0,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    callback = _Stepping(stepper, on_step)
    trainer = _Trainer(
        training,
        arguments,
        callbacks=[callback],
        optimizers=(training.optimizer, training.scheduler),
        schedule=training.schedule,
        final_size=training.plan.final_size,
        log=None,
        verbose=False,
    )
    trainer.remove_callback(PrinterCallback)
    callback.trainer = trainer
    for seconds in stepper.run(trainer.train, training.epochs):
        yield Epoch(seconds, training.accuracy())
