"""The steps that the optimizers of a loop make, seen from outside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from upsize.run._step_watch import StepWatch

__all__ = ["SeenSteps"]


class SeenSteps:
    """Knows whether optimizers have made a step, and compares it with what is counted.

    Args:
        accumulate: Batches in an accumulation window.
        cure: Returns what to give for windows of another number of batches.
    """

    def __init__(self, accumulate: int, cure: Callable[[int], str]) -> None:
        #: Whether an optimizer has made a step with the current batch.
        self.stepped = False
        #: Compares the steps, until it is sure.
        self.watch = StepWatch(accumulate, cure)
        self._any = False
        self._steppers: set[int] = set()
        #: A warning about how often steps are counted, for the loop to give.
        self.notice: str | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notice the steps of optimizers while the loop runs."""
        handle = register_optimizer_step_post_hook(self._on_step)
        try:
            yield
        finally:
            handle.remove()

    def begin(self) -> None:
        """Begin a batch."""
        self.stepped = False
        if self._steppers:
            self._steppers.clear()

    def is_trained(self, *, is_left: bool) -> bool:
        """Return whether the current batch was trained on, as far as can be known.

        Inside the loop it counts. It also counts after ``break``, but not after an
        exception: whether an optimizer has made its step tells them apart.

        Args:
            is_left: Whether the loop was left within it.
        """
        raised = sys.exc_info()[0] is not None
        if not (is_left or raised):
            return True
        return self.stepped if self._any else not raised

    def compare(self, batches: int, *, ends_window: bool, ends_epoch: bool) -> None:
        """Compare the steps of optimizers with those that are counted, for a while.

        Args:
            batches: Batches of the loader in the current one.
            ends_window: Whether a step is counted after it.
            ends_epoch: Whether an epoch ends with it.
        """
        for _ in range(batches - 1):  # no optimizer steps with them
            self.watch.count((), ends_window=False)
        self.notice = self.watch.count(
            self._steppers, ends_window=ends_window, ends_epoch=ends_epoch
        )

    def _on_step(self, optimizer: Any, *_: Any) -> None:
        self._any = self.stepped = True
        if not self.watch.is_sure:
            self._steppers.add(id(optimizer))
