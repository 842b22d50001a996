"""Train on several batches of an accumulation window at once."""

from __future__ import annotations

from typing import Any

from fastai.callback.core import CancelBatchException
from fastai.callback.schedule import ParamScheduler
from fastai.callback.training import GradientAccumulation
from fastai.torch_core import find_bs

from upsize.fastai._rows import last_is_whole
from upsize.run import TrainingRun
from upsize.run._refusals import nothing_to_merge
from upsize.run._waiting import WaitingBatches

__all__ = ["MergedBatches"]


class MergedBatches:
    """Holds batches back, and trains on them with the last one of their group.

    fastai counts each of them. ``GradientAccumulation`` weighs a batch by its samples, so
    a merged one weighs as much as those that it holds.

    Args:
        learner: The learner.
        run: The training run, whose options merge.

    Raises:
        ValueError: When the learner accumulates no gradients.
    """

    def __init__(self, learner: Any, run: TrainingRun) -> None:
        found = [cb for cb in learner.cbs if isinstance(cb, GradientAccumulation)]
        if not found:
            raise nothing_to_merge(
                run.options.merge,
                "the learner has no GradientAccumulation",
                "add that callback",
            )
        self._learner, self._accumulation = learner, found[0]
        self._waiting, self._merge = WaitingBatches(run), run.options.merge
        self._recorded_late = 0
        self._is_checked = False

    def take(self) -> None:
        """Let the current batch wait, or train on it and those before it as one.

        Raises:
            CancelBatchException: When it waits.
            ValueError: When a batch is above the limit, or cannot be concatenated, or
                each is an accumulation window.
        """
        learner = self._learner
        if not self._is_checked:
            self._check(int(find_bs(learner.yb)))
        batch = tuple(learner.xb), tuple(learner.yb)
        if not self._waiting.add(batch, self._left()):
            self._hold()
        (learner.xb, learner.yb), number = self._waiting.take()
        self._recorded_late = number - 1

    def record(self) -> None:
        """Record the learning rate of a batch that waits, and later its smooth loss.

        fastai's recorder has a value for each batch, and skips those without targets.
        """
        recorder = getattr(self._learner, "recorder", None)
        if recorder is None:
            return
        if self._waiting:
            recorder.lrs.append(self._learner.opt.hypers[-1]["lr"])
        late, self._recorded_late = self._recorded_late, 0
        for _ in range(late):
            recorder.smooth_loss.accumulate(self._learner)
            recorder.losses.append(recorder.smooth_loss.value)

    def _check(self, samples: int) -> None:
        """Refuse accumulation windows of one batch.

        Args:
            samples: Samples of the first batch.
        """
        self._is_checked, window = True, self._accumulation.n_acc
        if window <= samples:
            raise nothing_to_merge(
                self._merge,
                f"GradientAccumulation({window}) steps after each batch of {samples}",
                "give it the samples of several batches",
            )

    def _left(self) -> int:
        """Return the batches of this length that are left in the accumulation window."""
        learner, accumulation = self._learner, self._accumulation
        in_epoch = int(learner.n_iter) - int(learner.iter)
        if in_epoch > 1 and not last_is_whole(learner.dls.train):
            in_epoch -= 1
        waiting = len(self._waiting)
        samples = int(find_bs(learner.yb))
        left = -(-(accumulation.n_acc - accumulation.count) // samples) - waiting
        return min(int(left), in_epoch)

    def _hold(self) -> None:
        """Skip the batch, which counts as every other one."""
        learner = self._learner
        # Hyperparameters are set before a batch and recorded after it.
        for cb in learner.cbs:
            if isinstance(cb, ParamScheduler):
                cb("before_batch")
        learner.yb = ()  # the recorder and metrics skip a batch without targets
        if "smooth_loss" not in vars(learner):
            learner.smooth_loss = learner.loss  # 0: loggers read it after each batch
        raise CancelBatchException
