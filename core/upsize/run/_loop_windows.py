"""The accumulation windows of a loop, as loaders and the loop itself ask for them."""

from __future__ import annotations

from collections.abc import Iterator

from upsize.run._position import Ahead, Position, advance, left_in_window
from upsize.run._seen_steps import SeenSteps

__all__ = ["LoopWindows"]


class LoopWindows(SeenSteps):
    """Says which step and window each batch of a loop belongs to.

    Args:
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch; ``None``: not known.
        by_epochs: Whether each pass over a loader is one epoch of the run.
    """

    #: Whether the end of a pass over a loader ends an accumulation window.
    ends_with_pass = True

    def __init__(
        self, accumulate: int, batches: int | None, *, by_epochs: bool
    ) -> None:
        super().__init__(accumulate)
        self._batches, self.by_epochs = batches, by_epochs
        self.position = Position()
        # Whether a batch is drawn and not counted, and how many of the loader it holds.
        self._current, self._taken = False, 1
        # Batches of a resumed epoch that are drawn again, and of one that was left.
        self._skipped = self._left_out = 0
        # Whether the epoch is over, and the batches of this pass since then.
        self._is_full, self.beyond = False, 0

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
            skipped = self._skipped or (0 if batches is None else self._left_out)
            for number in range(skipped):
                yield Ahead(self._step_of_skipped(number, position), 0)
            left = None if batches is None else batches - skipped
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
        return advance(position, self.accumulate, self._batches)

    def upcoming(self) -> Position:
        """Return the position of the next batch that a loader draws."""
        return self._after() if self._current else self.position

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
