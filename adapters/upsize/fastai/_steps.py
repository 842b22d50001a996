"""Which step each batch of a fit belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastai.callback.training import GradientAccumulation
from torch.utils.data import DataLoader

from upsize.fastai._batch_tfms import pipeline_of

__all__ = ["Steps"]


class Steps:
    """Counts batches, as fastai does.

    A window of accumulated gradients keeps the step that it began with.

    Attributes:
        current: The step of the batch in hand, and after it of the next one.
    """

    def __init__(self) -> None:
        self.current = self._next = 0
        self._open = False

    def begin(self, step: int) -> None:
        """Count on from the first batch of an epoch."""
        self._next = step
        self._settle()

    def took(self) -> None:
        """Note that the batch in hand is trained on: its window is open."""
        self._open = True

    def stepped(self) -> None:
        """Close the window: the optimizer has made a step."""
        self._open = False

    def counted(self) -> None:
        """Count the batch in hand as done."""
        self._next += 1
        self._settle()

    def ahead(self, loader: Any, callbacks: Any) -> Iterator[int]:
        """Yield the step of each batch in the pass that begins.

        Args:
            loader: Whose pass it is.
            callbacks: Of the learner: GradientAccumulation counts samples.
        """
        found = [cb for cb in callbacks if isinstance(cb, GradientAccumulation)]
        least, rows = (found[0].n_acc, found[0].count) if found else (0, 0)
        step, position = self.current, self._next
        for more in _rows(loader):
            yield step
            position += 1
            rows += more
            if rows >= least:
                step, rows = position, 0

    def _settle(self) -> None:
        if not self._open:
            self.current = self._next


def _rows(loader: Any) -> Iterator[int]:
    """Yield how many samples each batch will have, in this process."""
    inner: Any = pipeline_of(loader)[0]
    if isinstance(inner, DataLoader):
        sampler: Any = inner.sampler
        samples, most = len(sampler), inner.batch_size
    else:
        # A PartialDL draws fewer than it has.
        samples, most = vars(inner).get("partial_n") or inner.n, inner.bs
    samples = -(-samples // getattr(loader, "world_size", 1))
    for batch in range(len(loader)):
        # Of batches that come ready-made nobody knows.
        yield min(most, samples - batch * most) if most else 1
