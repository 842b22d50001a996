"""The steps of a training run: the one thing that a framework must count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from torch.optim.optimizer import register_optimizer_step_post_hook

__all__ = ["BatchCounter", "Counter", "Position", "advance"]


class Counter(Protocol):
    """Counts the steps of a training run: all that an adapter has to supply."""

    @property
    def unit(self) -> str:
        """What a step is: "optimizer steps", "batches" or "epochs"."""
        ...

    @property
    def total_steps(self) -> int:
        """Length of the run in steps."""
        ...

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in an epoch; ``None`` where epochs have no fixed length."""
        ...

    def step(self) -> int:
        """Return how many steps are done; the current batch does not count yet."""
        ...

    def ahead(self, batches: int | None) -> Iterator[int]:
        """Yield the step of each batch that a loader is about to draw, without end.

        Args:
            batches: Batches in a pass over the loader, if that is known.
        """
        ...


class Position(NamedTuple):
    """Where a run is: the step, and the batch in the epoch and accumulation window.

    ``epoch_step`` is the step that the epoch began with.

    Example:
        >>> Position(step=12, batch=5, window=1, epoch_step=10)
        Position(step=12, batch=5, window=1, epoch_step=10)
    """

    step: int = 0
    batch: int = 0
    window: int = 0
    epoch_step: int = 0


def advance(position: Position, accumulate: int, batches: int | None) -> Position:
    """Count a batch: a step ends with an accumulation window or an epoch.

    Args:
        position: Where the run is.
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch; ``None``: not known.

    Example:
        >>> advance(Position(step=2, batch=4), accumulate=2, batches=5)
        Position(step=3, batch=0, window=0, epoch_step=3)
    """
    step, batch, window = position.step, position.batch + 1, position.window + 1
    at_end = batches is not None and batch >= batches
    if at_end or window >= accumulate:
        step, window = step + 1, 0
    if at_end:
        return Position(step, epoch_step=step)
    return Position(step, batch, window, position.epoch_step)


class BatchCounter:
    """Counts the batches of a loop and their optimizer steps.

    Args:
        total_steps: Length of the run in optimizer steps.
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch; ``None``: not known.

    Example:
        >>> counter = BatchCounter(total_steps=6, accumulate=2, batches=5)
        >>> for _ in range(5):
        ...     print(counter.step(), end=" ")
        ...     counter.count()
        0 0 1 1 2
        >>> counter.step(), counter.steps_per_epoch
        (3, 3)
    """

    unit = "optimizer steps"

    def __init__(self, total_steps: int, accumulate: int, batches: int | None) -> None:
        self.total_steps, self.accumulate, self.batches = (
            total_steps,
            accumulate,
            batches,
        )
        self.steps_per_epoch = None if batches is None else -(-batches // accumulate)
        self.load(Position())
        # Whether an optimizer has made a step: at all, and with the current batch.
        self._seen = self._stepped = False

    def load(self, position: Position) -> None:
        """Continue from a position."""
        self.position = position
        self._skipped = position.batch
        self._current = self._left = False

    def step(self) -> int:
        """Return the optimizer steps that are done."""
        return self.position.step

    def ahead(self, batches: int | None) -> Iterator[int]:
        """Yield the step of each batch to come, without end.

        Args:
            batches: Batches in a pass over the loader that draws them. After a resume
                within an epoch, a loader of the whole epoch draws from its first batch,
                which the loop skips; a shorter loader draws the rest of the epoch.
        """
        position = self.upcoming()
        if None in (batches, self.batches) or batches == self.batches:
            for _ in range(self._skipped):
                yield position.step
        while True:
            yield position.step
            position = advance(position, self.accumulate, self.batches)

    def next(self) -> Position:
        """Return the position after the current batch."""
        return advance(self.position, self.accumulate, self.batches)

    def upcoming(self) -> Position:
        """Return the position of the next batch that a loader draws."""
        return self.next() if self._current else self.position

    def take(self) -> None:
        """Note that the loop has drawn a batch, which is now the current one."""
        self._current, self._left, self._stepped = True, False, False

    def leave(self) -> None:
        """Note that ``break`` or an exception has left the loop within a batch."""
        self._left = True

    def count(self) -> None:
        """Count a batch as done."""
        self._current, self._skipped = False, 0
        self.position = self.next()

    def settle(self) -> None:
        """Count the current batch, if it was trained on."""
        if not self._current:
            return
        if not self._left or self._is_done():
            self.count()
        self._current = False

    def done(self) -> Position:
        """Return the position to save: the current batch counts, if it is done."""
        return self.next() if self._current and self._is_done() else self.position

    def end_epoch(self) -> None:
        """End the epoch, and the accumulation window if one is open."""
        step = self.position.step + (self.position.window > 0)
        self.position = Position(step, epoch_step=step)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notice the steps of optimizers while the loop runs."""
        handle = register_optimizer_step_post_hook(self._on_step)
        try:
            yield
        finally:
            handle.remove()

    def _on_step(self, *_: Any) -> None:
        self._seen = self._stepped = True

    def _is_done(self) -> bool:
        """Whether the current batch was trained on, as far as can be known.

        Inside the loop it counts. It also counts after ``break``, but not after an
        exception: whether an optimizer has made its step tells them apart.
        """
        raised = sys.exc_info()[0] is not None
        if not (self._left or raised):
            return True
        return self._stepped if self._seen else not raised
