"""Train on several micro-batches of an accumulation window at once.

Every micro-batch passes through Lightning's loop, which counts it, and through the
transfer hooks of the user. Those that are merged wait, at their size on their device,
for the last of their group. In their place the loop has ``HELD``, for which the wrapped
strategy runs neither ``training_step`` nor ``backward``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch

from upsize.lightning._held import HELD
from upsize.lightning._privates import batch_in_epoch, log_by
from upsize.run import TrainingRun
from upsize.run._restoring import Restoring
from upsize.run._waiting import WaitingBatches

__all__ = ["MergedBatches"]


class _Current(NamedTuple):
    """What the loop trains on now; optimizers with a closure ask for it repeatedly.

    Attributes:
        batch: The batch, or ``HELD``.
        number: Plain batches in it.
        before: Those before it that it cannot be merged with, as one, and their number.
    """

    batch: Any
    number: int = 1
    before: tuple[Any, int] | None = None


class MergedBatches:
    """Holds micro-batches back, and trains on them with the last one of their group.

    Args:
        trainer: The trainer, whose strategy is wrapped.
        run: The training run, whose options merge.
        changes: Records what is changed.
    """

    def __init__(self, trainer: Any, run: TrainingRun, changes: Restoring) -> None:
        self._trainer = trainer
        self._waiting = WaitingBatches(run)
        self._current = _Current(HELD)
        self._is_held = False
        changes.wrap_method(trainer.strategy, "training_step", self._training_step)
        changes.wrap_method(trainer.strategy, "backward", self._backward)

    def begin_epoch(self) -> None:
        """Forget batches of an epoch that was left early, as Lightning does."""
        self._waiting.forget()

    def take(self, batch: Any) -> Any:
        """Return what is trained on in the place of a micro-batch.

        Args:
            batch: The micro-batch, on its device and at its size.

        Returns:
            It, or it and those before it as one, or ``HELD``.

        Raises:
            ValueError: When a batch is above the limit, or cannot be concatenated.
        """
        self._current = _Current(HELD)
        if not self._waiting.fits(batch):
            # Its mean would weigh otherwise, and no later batch may come.
            self._current = _Current(batch, before=self._waiting.take())
        elif self._waiting.add(batch, self._left()):
            self._current = _Current(*self._waiting.take())
        return self._current.batch

    def _left(self) -> int:
        """Return the batches that are left in the accumulation window."""
        trainer = self._trainer
        if trainer.is_last_batch:  # of a stream without a length, too
            return 1
        position, window = batch_in_epoch(trainer), trainer.accumulate_grad_batches
        in_epoch = trainer.num_training_batches - position
        return int(min(window - position % window, in_epoch))

    def _training_step(
        self, inner: Callable[..., Any], batch: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the output of a step, its loss times the plain batches in it."""
        self._is_held = batch is HELD
        if self._is_held:
            # Not None, which Lightning refuses in distributed training.
            return torch.zeros((), device=self._trainer.strategy.root_device)
        current = self._current
        if batch is not current.batch:  # of a finder that runs within the training
            return inner(batch, *args, **kwargs)
        if current.before is not None:
            before, number = current.before
            log_by(self._trainer, before)
            self._train_on(number, inner, before, *args, **kwargs)
            log_by(self._trainer, batch)
        return _times(current.number, inner(batch, *args, **kwargs))

    def _train_on(
        self, number: int, inner: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Train forward and backward, and synchronize with the next batch."""
        trainer = self._trainer
        with getattr(trainer.strategy, "block_backward_sync", nullcontext)():
            output = _times(number, inner(*args, **kwargs))
            loss = output.get("loss") if isinstance(output, Mapping) else output
            if loss is not None:
                share = loss / trainer.accumulate_grad_batches
                trainer.strategy.backward(share, trainer.optimizers[0])

    def _backward(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return None if self._is_held else inner(*args, **kwargs)


def _times(number: int, output: Any) -> Any:
    """Return what ``training_step`` returned, with a multiple of its loss."""
    if number == 1 or output is None:
        return output
    if not isinstance(output, Mapping):
        return output * number
    loss = output.get("loss")
    return output if loss is None else {**output, "loss": loss * number}
