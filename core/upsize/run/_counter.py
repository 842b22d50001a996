"""The steps of a loop, counted by its batches."""

from __future__ import annotations

import sys
from typing import Any

from upsize.run._loop_windows import LoopWindows
from upsize.run._position import Position, rest_of

__all__ = ["BatchCounter"]


class BatchCounter(LoopWindows):
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
        super().__init__(accumulate, batches, by_epochs=by_epochs)
        self.total_steps = total_steps
        #: What else :meth:`Schedule.plan` is to know of the length of the run.
        self.length: dict[str, Any] = {}
        self.load(Position())
        #: Whether a pass without batches is the rest of a resumed epoch, which was over.
        self.may_be_rest = False

    @property
    def is_left(self) -> bool:
        """Whether ``break`` or an exception has left the loop within a pass."""
        # While an exception is handled, its traceback still keeps the loop.
        return self._left or (self._in_pass and sys.exc_info()[0] is not None)

    def load(self, position: Position, *, is_moved: bool = False) -> None:
        """Continue from a position.

        Args:
            position: Where to continue.
            is_moved: Whether it is that of a saved run with other batches, of which a
                part of the next one may be done.
        """
        self.position, self._is_moved = position, is_moved
        self._skipped, self._left_out, self.may_be_rest = position.batch, 0, True
        self._current = self._left = self._in_pass = self._is_full = False
        #: Batches of this pass after the last one of the epoch.
        self.beyond = 0

    def step(self) -> int:
        """Return the optimizer steps that are done."""
        # Further batches of an epoch belong to its last step.
        return self.position.step - self._is_full

    def draw_rest(self) -> None:
        """Note that loaders draw the rest of a resumed epoch, whatever their length."""
        self._skipped = 0

    def begin(self, length: int | None) -> bool:
        """Begin a pass over a loader; return whether it broke off an epoch.

        Args:
            length: Batches of the pass; ``None``: not known.

        Returns:
            Whether the pass before was left within an epoch, and this one is not the
            rest of it, but an epoch of its own.
        """
        if self._is_moved and length is not None:
            self.position = rest_of(
                self.position, length, self.accumulate, self.batches or length
            )
        self._is_moved, position = False, self.position
        self._in_pass, self._is_full, self.beyond = True, False, 0
        self.may_be_rest |= self._left
        if not (self.by_epochs and self._left and position.batch):
            return False
        assert self.batches is not None  # position.batch may count beyond it otherwise
        if length in (None, self.batches - position.batch):
            # A loader of the whole epoch draws what the loop leaves out, too.
            self._left_out = position.batch
            return False
        self.position = self._ended(position)
        return True

    def take(self, batches: int = 1) -> None:
        """Note that the loop has drawn a batch, which is now the current one.

        Args:
            batches: Batches of the loader that it holds.
        """
        self._current, self._left, self._stepped = True, False, False
        if batches != 1:
            self._taken = batches
        if self._steppers:
            self._steppers.clear()

    def leave(self) -> None:
        """Note that ``break`` or an exception has left the loop within a batch."""
        self._left = True

    def count(self, *, at_end: bool = False) -> None:
        """Count a batch as done.

        Args:
            at_end: Whether the pass has ended with it.
        """
        self._current, self.may_be_rest = False, False
        self._skipped = self._left_out = 0
        if self._is_full:
            self.beyond, self._taken = self.beyond + self._taken, 1
            return
        before, self.position = self.position, self.next()
        held = 0
        if self._taken != 1:
            held, self._taken = self._taken - 1, 1
        if self._watch is not None and self._in_pass:
            at_end = at_end or self.position.batch == 0
            for _ in range(held):  # no optimizer steps with them
                self._watch.count((), ends_window=False)
            self._compare(self._watch, self.position.step > before.step, at_end)
        if self.by_epochs and self._in_pass and self.position.batch == 0:
            planned = self._steps_from(before.epoch_step)
            assert planned is not None
            # An accelerator may not end its window with the planned epoch.
            step = max(self.position.step, before.epoch_step + planned)
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
