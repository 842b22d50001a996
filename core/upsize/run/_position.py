"""The steps of a training run: the one thing that a framework must count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

__all__ = ["Ahead", "Counter", "Position", "advance", "left_in_window", "rest_of"]


class Counter(Protocol):
    """Counts the steps of a training run: all that an adapter has to supply.

    A counter that knows more may also have ``length``, more arguments of
    :meth:`Schedule.plan <upsize.schedule.Schedule.plan>`; ``windows_ahead``, to merge
    batches; ``epoch_steps``, for epochs of other lengths after a resume; and ``follow``,
    which is given the plan.
    """

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
    step, batch, window, epoch_step = position
    batch, window = batch + 1, window + 1
    at_end = batches is not None and batch >= batches
    if at_end or window >= accumulate:
        step, window = step + 1, 0
    if at_end:
        return Position(step, 0, 0, step)
    return Position(step, batch, window, epoch_step)


class Ahead(NamedTuple):
    """A batch that a loader is about to draw.

    Attributes:
        step: The step that takes it.
        left: Batches of its accumulation window from this one on, itself included; 0:
            it is drawn and not trained on, as in an epoch that is resumed.
    """

    step: int
    left: int


def left_in_window(position: Position, accumulate: int, batches: int | None) -> int:
    """Return how many batches of an accumulation window are not trained yet.

    Args:
        position: Where the run is.
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch, which ends a window; ``None``: not known.

    Example:
        >>> left_in_window(Position(step=2, batch=4), accumulate=4, batches=5)
        1
        >>> left_in_window(Position(step=2, batch=9, window=1), 4, None)
        3
    """
    left = accumulate - position.window
    return left if batches is None else max(min(left, batches - position.batch), 1)


def rest_of(position: Position, length: int, accumulate: int, batches: int) -> Position:
    """Return where the rest of an epoch begins, which is resumed with other batches.

    The samples that are done may end within a batch: then a position lies after it, and
    the rest has one batch more, or as many as a window has.

    Args:
        position: The first step that is not before the samples that are done.
        length: Batches of the rest, or of an epoch.
        accumulate: Batches in an accumulation window.
        batches: Batches in an epoch.

    Example:
        >>> rest_of(Position(step=8, batch=3, epoch_step=5), 3, 1, batches=5)
        Position(step=7, batch=2, window=0, epoch_step=5)
        >>> rest_of(Position(step=10, epoch_step=10), 1, 1, batches=5)
        Position(step=9, batch=4, window=0, epoch_step=5)
        >>> rest_of(Position(step=10, epoch_step=10), 5, 1, batches=5)
        Position(step=10, batch=0, window=0, epoch_step=10)
    """
    start, left = position.epoch_step, batches - position.batch
    if not position.batch:
        start, left = start + -batches // accumulate, 0
    if length >= batches or start < 0 or not left < length <= left + accumulate:
        return position
    steps, window = divmod(batches - length, accumulate)
    return Position(start + steps, batches - length, window, start)
