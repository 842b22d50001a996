"""The steps of a loop, counted by its batches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from upsize.run._loop_windows import LoopWindows
from upsize.run._position import Ahead, Position, rest_of
from upsize.run._seen_steps import SeenSteps
from upsize.schedule import Plan

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
        #: What makes accumulation windows and epochs.
        self.windows = LoopWindows(accumulate, batches, by_epochs)
        #: What optimizers do meanwhile.
        self.seen = SeenSteps(accumulate, self.cure)
        self.total_steps = total_steps
        #: What else :meth:`Schedule.plan` is to know of the length of the run.
        self.length: dict[str, Any] = {}
        #: Whether batches are merged.
        self.merges = False
        #: Batches of the loader that the current batch holds.
        self.taken = 1
        self.load(Position())
        #: Whether a pass without batches is the rest of a resumed epoch, which was over.
        self.may_be_rest = False

    @property
    def accumulate(self) -> int:
        """Batches in an accumulation window."""
        return self.windows.accumulate

    @property
    def batches(self) -> int | None:
        """Batches in the current epoch; ``None``: not known."""
        return self.windows.batches_from(self.position.epoch_step)

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in an epoch; ``None``: not known, or not always the same."""
        plan = self.windows.plan
        return self.windows.steps_from(0) if plan is None else plan.steps_per_epoch

    @property
    def is_left(self) -> bool:
        """Whether ``break`` or an exception has left the loop within a pass."""
        # While an exception is handled, its traceback still keeps the loop.
        return self._left or (self._in_pass and sys.exc_info()[0] is not None)

    def cure(self, batches: int) -> str:
        """Return what to give for accumulation windows of some batches."""
        if self.merges:
            return "with merge=, step the optimizer where resize.ends_window is true"
        if self.windows.plan is not None:
            return (
                "step after every batch that grows, or leave out batch_size=Grow(...), "
                f"and give accumulate={batches} and merge=True"
            )
        return f"give accumulate={batches}"

    def follow(self, plan: Plan) -> None:
        """Count the epochs of a plan from now on, if they differ in length."""
        if self.windows.plan is not None:
            self.windows = replace(self.windows, plan=plan)
            self.total_steps = plan.total_steps

    def load(self, position: Position, *, is_moved: bool = False) -> None:
        """Continue from a position.

        Args:
            position: Where to continue.
            is_moved: Whether it is that of a saved run with other batches, of which a
                part of the next one may be done.
        """
        self.position, self._is_moved = position, is_moved
        # Batches of a resumed epoch that are drawn again, and of one that was left.
        self._skipped, self._left_out, self.may_be_rest = position.batch, 0, True
        # Whether a batch is drawn and not counted, the loop was left within it, and a
        # pass over a loader has begun.
        self._current = self._left = self._in_pass = False
        #: Batches of this pass after the last one of its epoch; ``None``: before it.
        self.beyond: int | None = None

    def step(self) -> int:
        """Return the optimizer steps that are done."""
        # Further batches of an epoch belong to its last step.
        return self.position.step - (self.beyond is not None)

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
        skipped = 0
        if None in (batches, self.batches) or batches == self.batches:
            skipped = self._skipped or (0 if batches is None else self._left_out)
        yield from self.windows.ahead(self.upcoming(), batches, skipped=skipped)

    def draw_rest(self) -> None:
        """Note that loaders draw the rest of a resumed epoch, whatever their length."""
        self._skipped = 0

    def ends_window(self, in_pass: int | None = None) -> bool:
        """Return whether an accumulation window ends with the next or current batch.

        Args:
            in_pass: Batches of the pass that are left with it; ``None``: not known.
        """
        return self.windows.left(self.position, self.beyond, in_pass) <= self.taken

    def left(self, in_pass: int | None = None) -> int:
        """Return how many batches of the accumulation window a loop has not drawn.

        Args:
            in_pass: Batches of the pass that are not drawn; ``None``: not known.
        """
        return self.windows.mergeable(self.upcoming(), self.beyond, in_pass)

    def next(self) -> Position:
        """Return the position after the current batch."""
        return self.windows.advance(self.position, self.taken)

    def upcoming(self) -> Position:
        """Return the position of the next batch that a loader draws."""
        return self._after() if self._current else self.position

    def done(self) -> Position:
        """Return the position to save: the current batch counts, if it is done."""
        return self._after() if self._current and self._is_done() else self.position

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
        self._in_pass, self.beyond = True, None
        self.may_be_rest |= self._left
        if not (self.windows.by_epochs and self._left and position.batch):
            return False
        assert self.batches is not None  # position.batch may count beyond it otherwise
        if length in (None, self.batches - position.batch):
            # A loader of the whole epoch draws what the loop leaves out, too.
            self._left_out = position.batch
            return False
        self.position = self.windows.ended(position)
        return True

    def take(self, batches: int = 1) -> None:
        """Note that the loop has drawn a batch, which is now the current one.

        Args:
            batches: Batches of the loader that it holds.
        """
        self._current, self._left = True, False
        if batches != 1:
            self.taken = batches
        self.seen.begin()

    def leave(self) -> None:
        """Note that ``break`` or an exception has left the loop within a batch."""
        self._left = True

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

    def count(self, *, at_end: bool = False) -> None:
        """Count a batch as done.

        Args:
            at_end: Whether the pass has ended with it.
        """
        self._current = self.may_be_rest = False
        self._skipped = self._left_out = 0
        taken, before = self.taken, self.position
        if self.beyond is not None:
            self.beyond, self.taken = self.beyond + taken, 1
            return
        self.position, self.taken = self.next(), 1
        if not self._in_pass:
            return
        is_over = self.position.batch == 0
        if not self.seen.watch.is_sure:
            self.seen.compare(
                taken,
                ends_window=self.position.step > before.step,
                ends_epoch=at_end or is_over,
            )
        if is_over and self.windows.by_epochs:
            planned = self.windows.steps_from(before.epoch_step)
            assert planned is not None
            # An accelerator may not end its window with the planned epoch.
            step = max(self.position.step, before.epoch_step + planned)
            self.position, self.beyond = Position(step, epoch_step=step), 0

    def end_epoch(self) -> int:
        """End the epoch, and the accumulation window if one is open.

        Returns:
            Batches by which the epoch was shorter than planned.
        """
        position, missing = self.position, 0
        # A process may have no batches in an epoch, in which the others have some.
        is_short = position.batch or not (self.beyond is not None or self.may_be_rest)
        self._in_pass = self._left = self.may_be_rest = False
        self.beyond = None
        if self.windows.by_epochs and is_short:
            assert self.batches is not None
            missing = self.batches - position.batch
        self.position = self.windows.ended(position, is_short=bool(missing))
        return missing

    def _after(self) -> Position:
        """Return the position after the current batch, also beyond an epoch's end."""
        return self.position if self.beyond is not None else self.next()

    def _is_done(self) -> bool:
        return self.seen.is_trained(is_left=self._left)
