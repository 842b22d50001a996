"""The steps of a loop, counted by its batches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from upsize.run._position import Position, advance
from upsize.run._windows import StepWatch

__all__ = ["BatchCounter"]


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
        #: Whether a pass without batches is the rest of a resumed epoch, which was over.
        self.may_be_rest = False
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
        self._skipped, self.may_be_rest = position.batch, True
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

    def draw_rest(self) -> None:
        """Note that loaders draw the rest of a resumed epoch, whatever their length."""
        self._skipped = 0

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
        self.may_be_rest |= self._left
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
        self._current, self.may_be_rest, self._skipped = False, False, 0
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
        # A process may have no batches in an epoch, in which the others have some.
        is_short = position.batch or not (self._is_full or self.may_be_rest)
        self._in_pass = self._is_full = self._left = self.may_be_rest = False
        if self.by_epochs and is_short:
            assert self.batches is not None
            missing = self.batches - position.batch
        self.position = self._ended(position, is_short=bool(missing))
        return missing

    def _after(self) -> Position:
        """Return the position after the current batch, also beyond an epoch's end."""
        return self.position if self._is_full else self.next()

    def _ended(self, position: Position, *, is_short: bool = False) -> Position:
        """Return the beginning of the next epoch."""
        step = position.step + (position.window > 0)
        if self.by_epochs and (position.batch or is_short):
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
