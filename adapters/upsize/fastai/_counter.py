"""The batches of a fit, which are its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from fastai.callback.training import GradientAccumulation

from upsize.fastai._rows import rows_of
from upsize.schedule import Plan

__all__ = ["FastaiCounter"]


class FastaiCounter:
    """Counts batches, as fastai does.

    Each epoch counts as many as the first one, so that a moment in epochs is at that
    epoch: further batches have the step of the last one. An accumulation window keeps
    the step that it began with. In the frozen part of ``fine_tune`` the counter may
    stand still: it does not leave the first stage.

    Args:
        learner: The learner.
        held: Called for the plan whose first stage the counter does not leave; ``None``:
            it leaves it.
    """

    unit = "batches"

    def __init__(self, learner: Any, held: Callable[[], Plan | None]) -> None:
        self._learner, self._held = learner, held
        self._current = self._next = 0
        self._last = -1  # step of the epoch's last batch
        self._is_open = False

    @property
    def total_steps(self) -> int:
        """Batches of the fit."""
        return int(self._learner.n_epoch) * self.steps_per_epoch

    @cached_property
    def steps_per_epoch(self) -> int:
        """Batches in the first epoch, in this process."""
        return len(self._learner.dls.train)

    def step(self) -> int:
        """Return the step of the current batch, or of the next one after it."""
        return self._at(self._current)

    def begin_epoch(self, epoch: int) -> None:
        """Count from the first batch of an epoch, even if earlier ones were skipped."""
        self._next = epoch * self.steps_per_epoch
        self._last = self._next + self.steps_per_epoch - 1
        self._settle()

    def took(self) -> None:
        """Open the accumulation window: the current batch is trained on."""
        self._is_open = True

    def stepped(self) -> None:
        """Close the window: the optimizer has made a step."""
        self._is_open = False

    def counted(self) -> None:
        """Count the current batch as done."""
        self._next += 1
        self._settle()

    def ahead(self, batches: int | None = None) -> Iterator[int]:  # noqa: ARG002
        """Yield the step of each batch in the next pass only."""
        # GradientAccumulation counts samples.
        found = [cb for cb in self._learner.cbs if isinstance(cb, GradientAccumulation)]
        least, rows = (found[0].n_acc, found[0].count) if found else (0, 0)
        step, position = self._current, self._next
        for more in rows_of(self._learner.dls.train):
            yield self._at(min(step, self._last))
            position += 1
            rows += more
            if rows >= least:
                step, rows = position, 0

    def _at(self, step: int) -> int:
        """Return a step, or the last one of the stage that the counter is held in."""
        plan = self._held()
        return step if plan is None else min(step, plan.stages[0].stop - 1)

    def _settle(self) -> None:
        if not self._is_open:
            self._current = min(self._next, self._last)
