"""How the batches of a loop make accumulation windows and epochs: pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upsize.run._epoch_steps import steps_in_epoch
from upsize.run._position import Ahead, Position, advance, left_in_window
from upsize.schedule import Plan

__all__ = ["LoopWindows"]


@dataclass(frozen=True)
class LoopWindows:
    """Says which step and window each batch of a loop belongs to.

    Positions come with ``beyond``: the batches of the pass since its epoch is over;
    ``None``: it is not over.

    Args:
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch; ``None``: not known.
        by_epochs: Whether each pass over a loader is one epoch of the run.
        plan: The plan whose epochs have different numbers of batches, in place of
            ``batches``.
        ends_with_pass: Whether the end of a pass ends an accumulation window.
        keeps_last: Whether the last batch of a pass is not merged with others.

    Example:
        >>> windows = LoopWindows(accumulate=2, batches=3)
        >>> ahead = windows.ahead(Position(), None, skipped=0)
        >>> [next(ahead).step for _ in range(6)]
        [0, 0, 1, 2, 2, 3]
    """

    accumulate: int
    batches: int | None
    by_epochs: bool = False
    plan: Plan | None = None
    ends_with_pass: bool = True
    keeps_last: bool = False

    def batches_from(self, epoch_step: int) -> int | None:
        """Return the batches in an epoch, by the step that it begins with."""
        plan = self.plan
        if plan is None:
            return self.batches
        epoch = plan.epoch_at(epoch_step)
        assert epoch is not None  # the plan knows its samples
        return steps_in_epoch(plan, int(epoch))

    def steps_from(self, epoch_step: int) -> int | None:
        """Return the steps in an epoch, by the one that it begins with."""
        batches = self.batches_from(epoch_step)
        return None if batches is None else -(-batches // self.accumulate)

    def advance(self, position: Position, taken: int = 1) -> Position:
        """Count a batch.

        Args:
            position: Where the loop is.
            taken: Batches of the loader that it holds, all of one window.
        """
        if taken > 1:
            _, batch, window, _ = position
            batch, window = batch + taken - 1, window + taken - 1
            position = position._replace(batch=batch, window=window)
        # Most plans have one length, and this is asked for each batch.
        batches = self.batches
        if self.plan is not None:
            batches = self.batches_from(position.epoch_step)
        return advance(position, self.accumulate, batches)

    def ended(self, position: Position, *, is_short: bool = False) -> Position:
        """Return the beginning of the next epoch.

        Args:
            position: Where this one ends.
            is_short: Whether batches of it are missing, perhaps all of them.
        """
        step = position.step + (position.window > 0)
        if self.by_epochs and (position.batch or is_short):
            planned = self.steps_from(position.epoch_step)
            assert planned is not None
            step = max(step, position.epoch_step + planned)
        return Position(step, epoch_step=step)

    def left(self, position: Position, beyond: int | None, in_pass: int | None) -> int:
        """Return the batches of a window that are left; further ones have their own.

        Args:
            position: Where the loop is.
            beyond: See the class.
            in_pass: Batches of the pass that are left; ``None``: not known.
        """
        if beyond is None:
            batches = self.batches_from(position.epoch_step)
            left = left_in_window(position, self.accumulate, batches)
        else:
            left = self.accumulate - beyond % self.accumulate
        return (
            left if in_pass is None or not self.ends_with_pass else min(left, in_pass)
        )

    def mergeable(
        self, position: Position, beyond: int | None, in_pass: int | None
    ) -> int:
        """Return how many batches may be one, with the next; arguments as for ``left``."""
        left = self.left(position, beyond, in_pass)
        if self.keeps_last and in_pass is not None and in_pass > 1:
            return min(left, in_pass - 1)
        return left

    def ahead(
        self, start: Position, batches: int | None, *, skipped: int
    ) -> Iterator[Ahead]:
        """Yield step and accumulation window of each batch to come, without end.

        Args:
            start: Where the loop is.
            batches: Batches in a pass over the loader that draws them.
            skipped: Batches that it draws before, and the loop does not train on.
        """
        for number in range(skipped):
            # Batches of a plan in which they grow are cut as they were before.
            step = start.step if self.plan is None else start.epoch_step + number
            yield Ahead(step, 0)
        left = batches - skipped if self.by_epochs and batches is not None else None
        position, beyond = start, None
        while True:
            step = position.step - (beyond is not None)
            yield Ahead(step, self.mergeable(position, beyond, left))
            if beyond is None:
                position = self.advance(position)
                is_over = left is not None and position.batch == 0
                beyond = 0 if is_over else None
            else:
                beyond += 1
            if left is not None:
                left -= 1
                if left <= 0:
                    position, beyond = self.ended(position), None
                    left = batches
                    if self.plan is not None:
                        left = self.batches_from(position.epoch_step)
