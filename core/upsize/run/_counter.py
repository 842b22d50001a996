"""The steps of a loop, counted by its batches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from upsize.run._position import Ahead, Position, advance, left_in_window
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
    #: Whether the end of a pass over a loader ends an accumulation window.
    ends_with_pass = True

    def __init__(
        self,
        total_steps: int,
        accumulate: int,
        batches: int | None,
        *,
        by_epochs: bool = False,
    ) -> None:
        self.total_steps, self.accumulate = total_steps, accumulate
        #: What else :meth:`Schedule.plan` is to know of the length of the run.
        self.length: dict[str, Any] = {}
        self._batches = batches
        self.by_epochs = by_epochs
        self.load(Position())
        #: Whether a pass without batches is the rest of a resumed epoch, which was over.
        self.may_be_rest = False
        # Whether an optimizer has made a step: at all, and with the current batch.
        self._seen = self._stepped = False
        self._watch: StepWatch | None = StepWatch(accumulate, self.cure)
        self._steppers: set[int] = set()
        #: Whether batches are merged.
        self.merges = False
        #: A warning about how often steps are counted, for the loop to give.
        self.notice: str | None = None
        # Batches of the loader that the current one holds.
        self._taken = 1

    @property
    def batches(self) -> int | None:
        """Batches in the current epoch; ``None``: not known."""
        return self.batches_from(self.position.epoch_step)

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in an epoch; ``None``: not known, or not always the same."""
        return self._steps_from(0)

    def batches_from(self, epoch_step: int) -> int | None:  # noqa: ARG002
        """Return the batches in an epoch, by the step that it begins with."""
        return self._batches

    def _steps_from(self, epoch_step: int) -> int | None:
        batches = self.batches_from(epoch_step)
        return None if batches is None else -(-batches // self.accumulate)

    @property
    def is_left(self) -> bool:
        """Whether ``break`` or an exception has left the loop within a pass."""
        # While an exception is handled, its traceback still keeps the loop.
        return self._left or (self._in_pass and sys.exc_info()[0] is not None)

    def cure(self, batches: int) -> str:
        """Return what to give for accumulation windows of some batches."""
        if self.merges:
            return "with merge=, step the optimizer where resize.ends_window is true"
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
        return (each.step for each in self.windows_ahead(batches))

    def windows_ahead(self, batches: int | None) -> Iterator[Ahead]:
        """Yield step and accumulation window of each batch to come, without end.

        Args:
            batches: See :meth:`ahead`.
        """
        position, left = self.upcoming(), batches
        if None in (batches, self.batches) or batches == self.batches:
            for number in range(self._skipped):
                yield Ahead(self._step_of_skipped(number, position), 0)
            left = None if batches is None else batches - self._skipped
        if not self.by_epochs:
            left = None
        is_full, beyond = False, 0
        while True:
            yield Ahead(
                position.step - is_full, self._window(position, is_full, beyond, left)
            )
            if not is_full:
                batches_now = self.batches_from(position.epoch_step)
                position = advance(position, self.accumulate, batches_now)
                is_full, beyond = left is not None and position.batch == 0, 0
            else:
                beyond += 1
            if left is not None:
                left -= 1
                if left <= 0:
                    position, is_full = self._ended(position), False
                    left = self._pass_after(batches, position)

    def _step_of_skipped(self, number: int, position: Position) -> int:  # noqa: ARG002
        """Return the step of a batch that a resumed epoch draws and does not train."""
        return position.step

    def _pass_after(self, batches: int | None, position: Position) -> int | None:  # noqa: ARG002
        """Return the batches of the pass after one, at the begin of its epoch."""
        return batches

    def ends_window(self, in_pass: int | None = None) -> bool:
        """Return whether an accumulation window ends with the next or current batch.

        Args:
            in_pass: Batches of the pass that are left with it; ``None``: not known.
        """
        left = self._window(self.position, self._is_full, self.beyond, in_pass)
        return left <= self._taken

    def left(self, in_pass: int | None = None) -> int:
        """Return how many batches of the accumulation window a loop has not drawn.

        Args:
            in_pass: Batches of the pass that are not drawn; ``None``: not known.
        """
        return self._window(self.upcoming(), self._is_full, self.beyond, in_pass)

    def _window(
        self, position: Position, is_full: bool, beyond: int, in_pass: int | None
    ) -> int:
        """Return the batches of a window that are left; further ones have their own."""
        if is_full:
            left = self.accumulate - beyond % self.accumulate
        else:
            batches = self.batches_from(position.epoch_step)
            left = left_in_window(position, self.accumulate, batches)
        return (
            left if in_pass is None or not self.ends_with_pass else min(left, in_pass)
        )

    def draw_rest(self) -> None:
        """Note that loaders draw the rest of a resumed epoch, whatever their length."""
        self._skipped = 0

    def last(self) -> Position:
        """Return the position of the last batch of the loader in the current one."""
        held, position = self._taken - 1, self.position
        if not held:
            return position
        return position._replace(
            batch=position.batch + held, window=position.window + held
        )

    def next(self) -> Position:
        """Return the position after the current batch."""
        position = self.position if self._taken == 1 else self.last()
        batches = self.batches_from(position.epoch_step)
        return advance(position, self.accumulate, batches)

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

    def take(self, batches: int = 1) -> None:
        """Note that the loop has drawn a batch, which is now the current one.

        Args:
            batches: Batches of the loader that it holds.
        """
        self._taken = batches
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
            self.beyond, self._taken = self.beyond + self._taken, 1
            return
        before, self.position, held = self.position, self.next(), self._taken - 1
        self._taken = 1
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

    def _after(self) -> Position:
        """Return the position after the current batch, also beyond an epoch's end."""
        return self.position if self._is_full else self.next()

    def _ended(self, position: Position, *, is_short: bool = False) -> Position:
        """Return the beginning of the next epoch."""
        step = position.step + (position.window > 0)
        if self.by_epochs and (position.batch or is_short):
            planned = self._steps_from(position.epoch_step)
            assert planned is not None
            step = max(step, position.epoch_step + planned)
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
