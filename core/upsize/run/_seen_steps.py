"""The steps that the optimizers of a loop make, seen from outside."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from upsize.run._windows import StepWatch

__all__ = ["SeenSteps"]


class SeenSteps:
    """Knows whether optimizers have made a step, and compares it with what is counted.

    Args:
        accumulate: Batches in an accumulation window.
    """

    def __init__(self, accumulate: int) -> None:
        self.accumulate = accumulate
        # Whether the loop was left within the current batch.
        self._left = False
        # Whether an optimizer has made a step: at all, and with the current batch.
        self._seen = self._stepped = False
        self._watch: StepWatch | None = StepWatch(accumulate, self.cure)
        self._steppers: set[int] = set()
        #: Whether batches are merged.
        self.merges = False
        #: A warning about how often steps are counted, for the loop to give.
        self.notice: str | None = None

    def cure(self, batches: int) -> str:
        """Return what to give for accumulation windows of some batches."""
        if self.merges:
            return "with merge=, step the optimizer where resize.ends_window is true"
        return f"give accumulate={batches}"

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notice the steps of optimizers while the loop runs."""
        handle = register_optimizer_step_post_hook(self._on_step)
        try:
            yield
        finally:
            handle.remove()

    def _on_step(self, optimizer: Any, *_: Any) -> None:
        self._seen = self._stepped = True
        if self._watch is not None:
            self._steppers.add(id(optimizer))

    def _compare(self, watch: StepWatch, ends_window: bool, ends_epoch: bool) -> None:
        """Compare the steps of optimizers with those that are counted, for a while."""
        self.notice = watch.count(
            self._steppers, ends_window=ends_window, ends_epoch=ends_epoch
        )
        if watch.is_sure:
            self._watch = None

    def _is_done(self) -> bool:
        """Whether the current batch was trained on, as far as can be known.

        Inside the loop it counts. It also counts after ``break``, but not after an
        exception: whether an optimizer has made its step tells them apart.
        """
        raised = sys.exc_info()[0] is not None
        if not (self._left or raised):
            return True
        return self._stepped if self._seen else not raised
