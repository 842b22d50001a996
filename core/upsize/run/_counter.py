"""The steps of a training run: the one thing that a framework must count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from torch.optim.optimizer import register_optimizer_step_post_hook

from upsize.run._windows import StepWatch

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
        by_epochs: Whether each pass over a loader is one epoch of the run, also where
            it has more or fewer than ``batches``: further batches belong to the last
            step of the epoch, and a shorter pass ends with it.

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

    def __init__(
        self,
        total_steps: int,
        accumulate: int,
        batches: int | None,
        *,
        by_epochs: bool = False,
    ) -> None:
        self.total_steps, self.accumulate, self.batches = (
            total_steps,
            accumulate,
            batches,
        )
        self.steps_per_epoch = None if batches is None else -(-batches // accumulate)
        self.by_epochs = by_epochs
        self.load(Position())
        # Whether an optimizer has made a step: at all, and with the current batch.
        self._seen = self._stepped = False
        self._watch: StepWatch | None = StepWatch(accumulate, self.cure)
        self._steppers: set[int] = set()
        #: A warning about how often steps are counted, for the loop to give.
        self.notice: str | None = None

    @property
    def is_left(self) -> bool:
        """Whether ``break`` or an exception has left the loop within a pass."""
        # While an exception is handled, its traceback still keeps the loop.
        return self._left or (self._in_pass and sys.exc_info()[0] is not None)

    def cure(self, batches: int) -> str:
        """Return what to give for accumulation windows of some batches."""
        return f"give accumulate={batches}"

    def load(self, position: Position) -> None:
        """Continue from a position."""
        self.position = position
        self._skipped = position.batch
        self._current = self._left = self._in_pass = self._is_full = False
        #: Batches of this pass after the last one of the epoch.
        self.beyond = 0

    def step(self) -> int:
        """Return the optimizer steps that are done."""
        # Further batches of an epoch belong to its last step.
        return self.position.step - self._is_full

    def ahead(self, batches: int | None) -> Iterator[int]:
        """Yield the step of each batch to come, without end.

        Args:
            batches: Batches in a pass over the loader that draws them. After a resume
                within an epoch, a loader of the whole epoch draws from its first batch,
                which the loop skips; a shorter loader draws the rest of the epoch.
        """
        position, left = self.upcoming(), batches
        if None in (batches, self.batches) or batches == self.batches:
            for _ in range(self._skipped):
                yield position.step
            left = None if batches is None else batches - self._skipped
        if not self.by_epochs:
            left = None
        is_full = False
        while True:
            yield position.step - is_full
            if not is_full:
                position = advance(position, self.accumulate, self.batches)
                is_full = left is not None and position.batch == 0
            if left is not None:
                left -= 1
                if left <= 0:
                    position, is_full, left = self._ended(position), False, batches

    def next(self) -> Position:
        """Return the position after the current batch."""
        return advance(self.position, self.accumulate, self.batches)

    def upcoming(self) -> Position:
        """Return the position of the next batch that a loader draws."""
        return self._after() if self._current else self.position

    def begin(self, length: int | None) -> bool:
        """Begin a pass over a loader; return whether it broke off an epoch.

        Args:
            length: Batches of the pass; ``None``: not known.

        Returns:
            Whether the pass before was left within an epoch, and this one is not the
            rest of it, but an epoch of its own.
        """
        position = self.position
        self._in_pass, self._is_full, self.beyond = True, False, 0
        if not (self.by_epochs and self._left and position.batch):
            return False
        assert self.batches is not None  # position.batch may count beyond it otherwise
        if length in (None, self.batches - position.batch):
            return False
        self.position = self._ended(position)
        return True

    def take(self) -> None:
        """Note that the loop has drawn a batch, which is now the current one."""
        self._current, self._left, self._stepped = True, False, False
        self._steppers.clear()

    def leave(self) -> None:
        """Note that ``break`` or an exception has left the loop within a batch."""
        self._left = True

    def count(self, *, at_end: bool = False) -> None:
        """Count a batch as done.

        Args:
            at_end: Whether the pass has ended with it.
        """
        self._current, self._skipped = False, 0
        if self._is_full:
            self.beyond += 1
            return
        before, self.position = self.position, self.next()
        if self._watch is not None and self._in_pass:
            at_end = at_end or self.position.batch == 0
            self._compare(self._watch, self.position.step > before.step, at_end)
        if self.by_epochs and self._in_pass and self.position.batch == 0:
            assert self.steps_per_epoch is not None
            # An accelerator may not end its window with the planned epoch.
            step = max(self.position.step, before.epoch_step + self.steps_per_epoch)
            self.position, self._is_full = Position(step, epoch_step=step), True

    def settle(self, *, at_end: bool = False) -> None:
        """Count the current batch, if it was trained on.

        Args:
            at_end: Whether the pass has ended with it.
        """
        if not self._current:
            return
        if not self._left or self._is_done():
            self.count(at_end=at_end)
        self._current = False

    def done(self) -> Position:
        """Return the position to save: the current batch counts, if it is done."""
        return self._after() if self._current and self._is_done() else self.position

    def end_epoch(self) -> int:
        """End the epoch, and the accumulation window if one is open.

        Returns:
            Batches by which the epoch was shorter than planned.
        """
        position, missing = self.position, 0
        self._in_pass = self._is_full = False
        if self.by_epochs and position.batch:
            assert self.batches is not None
            missing = self.batches - position.batch
        self.position = self._ended(position)
        return missing

    def _after(self) -> Position:
        """Return the position after the current batch, also beyond an epoch's end."""
        return self.position if self._is_full else self.next()

    def _ended(self, position: Position) -> Position:
        """Return the beginning of the next epoch."""
        step = position.step + (position.window > 0)
        if self.by_epochs and position.batch:
            assert self.steps_per_epoch is not None
            step = max(step, position.epoch_step + self.steps_per_epoch)
        return Position(step, epoch_step=step)

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
