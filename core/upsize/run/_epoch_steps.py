"""The steps of an epoch: those of a plan, and those that a framework counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from upsize.schedule import Plan

__all__ = ["EpochSteps", "ResumedEpochs", "place_in_epoch", "steps_in_epoch"]


class EpochSteps(NamedTuple):
    """The steps that a plan has for the epoch that a framework is in.

    Attributes:
        first: Its first step.
        stop: The first step of the next one.
        begins: Whether the next batch is the first one of the epoch.
    """

    first: int
    stop: int
    begins: bool


class ResumedEpochs:
    """Keeps each epoch of a resumed run at the steps that its plan has for it.

    A framework that resumes an epoch with batches of another size may train on more or
    fewer of them than are left. Further ones belong to the last step of their epoch,
    and the next epoch begins with its own first step.

    Args:
        now: Returns the steps of the current epoch, as the framework counts epochs.

    Example:
        >>> epochs = [EpochSteps(5, 10, False), EpochSteps(10, 15, True)]
        >>> resumed = ResumedEpochs(lambda: epochs[0])
        >>> resumed.step(8), resumed.step(12)
        (8, 9)
        >>> del epochs[0]
        >>> resumed.step(13), resumed.step(14)
        (10, 10)
    """

    def __init__(self, now: Callable[[], EpochSteps]) -> None:
        self._now = now
        self._first: int | None = None
        # To add to the steps of the framework's epochs, and to those that it counts.
        self._later = self._more = 0

    def align(self, first: int, counted: int, *, between: bool) -> None:
        """Note the plan's first step of this epoch, where a plan began with a later one.

        Args:
            first: The first step of the plan's epoch that the run continues with.
            counted: The step as the framework counts it.
            between: Whether the run continues at that step, after the epoch before.
        """
        now = self._now()
        # A framework may resume an epoch after its last batch, as Lightning 2.4 does,
        # which trains on this batch again.
        is_over = between and not now.begins and counted != now.first
        self._later = first - (now.stop if is_over else now.first)

    def step(self, counted: int) -> int:
        """Return the step of the plan.

        Args:
            counted: The step as the framework counts it since it resumed.
        """
        now = self._now()
        if now.begins or self._first not in (None, now.first):
            self._more = now.first + self._later - counted
        self._first = now.first
        return self.within(counted)

    def within(self, counted: int) -> int:
        """Return the step of the plan for another batch of the same epoch."""
        now = self._now()
        step = counted + self._more - self._later
        return min(max(step, now.first), now.stop - 1) + self._later


def steps_in_epoch(plan: Plan, epoch: int) -> int:
    """Return the steps of one epoch of a plan.

    Args:
        plan: A plan that knows its epochs.
        epoch: Number of the epoch, from 0.

    Example:
        >>> from upsize.schedule import Grow, Ramp
        >>> plan = Ramp(final_size=64, increase_by=32).plan(
        ...     epochs=2, samples_per_epoch=20, batch_size=Grow(8, batch=2)
        ... )
        >>> steps_in_epoch(plan, 0), steps_in_epoch(plan, 1)
        (3, 10)
    """
    return plan.epoch_start(epoch + 1) - plan.epoch_start(epoch)


def place_in_epoch(plan: Plan, step: int) -> tuple[int, int]:
    """Return the epoch of a step, and how many steps of that come before it.

    Args:
        plan: A plan that knows its epochs.
        step: Number of the step, from 0.

    Example:
        >>> from upsize.schedule import Grow, Ramp
        >>> plan = Ramp(final_size=64, increase_by=32).plan(
        ...     epochs=2, samples_per_epoch=20, batch_size=Grow(8, batch=2)
        ... )
        >>> place_in_epoch(plan, 2), place_in_epoch(plan, 5)
        ((0, 2), (1, 2))
    """
    found = plan.epoch_at(step)
    assert found is not None  # the plan knows its epochs
    epoch = int(found)
    return epoch, step - plan.epoch_start(epoch)
