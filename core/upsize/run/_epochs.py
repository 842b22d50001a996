"""Epochs that do not have the planned number of batches."""

from __future__ import annotations

import warnings

from upsize.run._counter import BatchCounter
from upsize.schedule import Plan, Schedule
from upsize.schedule._warn import warn

__all__ = ["EpochLengths", "counts_epochs", "wrong_samples"]

_EACH = "each loop over batches() counts as one epoch"


def counts_epochs(schedule: Schedule, plan: Plan) -> bool:
    """Whether a schedule needs to know where epochs begin.

    Args:
        schedule: The schedule.
        plan: The plan that it has made.

    Example:
        >>> from upsize.schedule import Ramp
        >>> ramps = Ramp(final_size=64), Ramp(final_size=64, start=2, finish=3)
        >>> [
        ...     counts_epochs(ramp, ramp.plan(total_steps=20, steps_per_epoch=5))
        ...     for ramp in ramps
        ... ]
        [False, True]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            schedule.plan(total_steps=plan.total_steps, final_size=plan.final_size)
        except ValueError:
            return True
    return False


class EpochLengths:
    """Says once how an epoch with more or fewer batches than planned is counted.

    Args:
        counter: Counts the batches.
    """

    def __init__(self, counter: BatchCounter) -> None:
        self._counter = counter
        self._told = False

    def begin(self, length: int | None) -> int:
        """Begin a pass over a loader; return the batches that the plan has for it.

        Args:
            length: Batches of the pass; ``None``: not known.
        """
        counter, done = self._counter, self._counter.position.batch
        planned = counter.batches
        broke_off = counter.begin(length)
        left = (counter.batches or 0) - counter.position.batch
        if counter.windows.by_epochs and length is not None:
            if broke_off:
                self._tell(_left_epoch(done, planned))
            elif length < left and not (length == 0 and counter.may_be_rest):
                self._tell(_shorter_epoch(length, left, self._unit, known=True))
        return left

    def check(self, length: int | None, left: int) -> None:
        """Say how batches after the planned end of an epoch, and steps, are counted.

        Args:
            length: Batches of the pass; ``None``: not known.
            left: What :meth:`begin` returned.
        """
        counter = self._counter
        if counter.beyond:
            self._tell(_beyond_epoch(length, left, self._unit))
        if counter.seen.notice is not None:
            text, counter.seen.notice = counter.seen.notice, None
            warn(text)

    def end(self, left: int) -> None:
        """End the pass, and with it the epoch.

        Args:
            left: What :meth:`begin` returned.
        """
        missing = self._counter.end_epoch()
        if missing:
            self._tell(_shorter_epoch(left - missing, left, self._unit, known=False))

    @property
    def _unit(self) -> str:
        """What the user gives to tell the length of an epoch."""
        return "steps" if self._counter.windows.plan is None else "samples"

    def _tell(self, text: str) -> None:
        """Warn about the first epoch of another length."""
        if not self._told:
            self._told = True
            warn(text)


def _shorter_epoch(batches: int, left: int, unit: str, *, known: bool) -> str:
    """Return the warning for an epoch with fewer batches than planned."""
    what = "the loader has" if known else "this epoch had"
    return (
        f"{what} {batches} batches, but {unit}_per_epoch leaves {left} for this epoch: "
        f"{_EACH}, and the next one begins the next epoch of the plan; if an epoch "
        "has several loaders, give batches() all of them, as with itertools.chain"
    )


def _beyond_epoch(batches: int | None, planned: int, unit: str) -> str:
    """Return the warning for an epoch with more batches than planned."""
    what = "this epoch has more" if batches is None else f"the loader has {batches}"
    return (
        f"{what} batches, but {unit}_per_epoch leaves {planned} for this epoch: "
        f"{_EACH}, and its further batches train at the size of its last step; give "
        f"the {'batches' if unit == 'steps' else unit} of an epoch as {unit}_per_epoch"
    )


def _left_epoch(done: int, planned: int | None) -> str:
    """Return the warning for a loop that was left before the end of the epoch."""
    return (
        f"the last loop over batches() was left after {done} of {planned} batches, and "
        f"this one is not the rest: {_EACH}; if yours end early, give what they train on "
        "as steps_per_epoch, or samples_per_epoch"
    )


def wrong_samples(samples: object, epoch: object) -> str:
    """Return the error for a loader that has not the samples of the plan."""
    return (
        f"the loader draws {samples} samples in an epoch, and the plan has {epoch}: keep "
        "the length of the dataset while batches grow, and in a custom loop give "
        f"samples_per_epoch={samples}, as many as this process draws, without those that "
        "drop_last drops"
    )
