"""Whether optimizers step as often as a loop is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

__all__ = ["StepWatch"]

# A gradient scaler skips some of the first steps, and a batch may be left out: only
# the same thing three times running is a habit.
_HABIT = 3
# Batches after which the watch ends if no optimizer of PyTorch has made a step.
_SILENT = 1000


class StepWatch:
    """Compares the steps of optimizers with those of a counter, until it is sure.

    Several optimizers, several steps with a batch, and steps that a gradient scaler
    skips are no difference.

    Args:
        accumulate: Batches in an accumulation window, as the user gave it.
        cure: Returns what to give for windows of another number of batches.

    Example:
        >>> watch = StepWatch(1, "accumulate={}".format)
        >>> for batch in range(1, 10):  # a step after every third batch
        ...     text = watch.count([1] if batch % 3 == 0 else [], ends_window=True)
        >>> text.split(": ")[0]
        'optimizers step after every 3 batches, and upsize counts a step after every 1'
        >>> watch.is_sure
        True
    """

    def __init__(self, accumulate: int, cure: Callable[[int], str]) -> None:
        self._accumulate, self._cure = accumulate, cure
        self.is_sure = False
        self._known: set[int] = set()
        # Of the open window: its batches, and how many of them each optimizer stepped
        # with.
        self._batches, self._steps = 0, Counter[int]()
        # Batches since the last window with a step, and whether that ended an epoch.
        self._gap, self._after_epoch, self._any = 0, False, False
        self._wide = self._crowded = self._single = self._least = 0

    def count(
        self, stepped: Iterable[int], *, ends_window: bool, ends_epoch: bool = False
    ) -> str | None:
        """Count a batch; return a warning if steps are counted too often or too seldom.

        Args:
            stepped: The optimizers that have made a step with it.
            ends_window: Whether the counter has counted a step after it.
            ends_epoch: Whether an epoch ends with it, and so a window may be short.
        """
        self._batches += 1
        self._steps.update(set(stepped))
        self._known |= self._steps.keys()
        if not ends_window:
            return None
        batches, steps = self._batches, self._steps
        self._batches, self._steps = 0, Counter[int]()
        self._gap += batches
        if not self._known:
            self.is_sure = self._gap >= _SILENT
            return None
        return (
            self._check_single(batches, ends_epoch=ends_epoch)
            or self._check_crowded(batches, steps)
            or self._check_gap(batches, bool(steps), ends_epoch=ends_epoch)
        )

    def _check_single(self, batches: int, *, ends_epoch: bool) -> str | None:
        """Check that the windows that are asked for are those that are counted."""
        if ends_epoch or self._accumulate == 1:
            return None
        self._single = self._single + 1 if batches == 1 else 0
        if self._single < _HABIT:
            return None
        return self._say(
            f"every batch counts as a step, not every {self._accumulate}: images grow "
            f"{self._accumulate} times too fast; {self._cure(self._accumulate)}"
        )

    def _check_crowded(self, batches: int, steps: Counter[int]) -> str | None:
        """Check that some optimizer does not step several times in a window."""
        if batches == 1:
            return None
        least = min(steps[each] for each in self._known)
        self._crowded = self._crowded + 1 if least > 1 else 0
        if self._crowded < _HABIT:
            return None
        return self._say(
            f"optimizers step {least} times within {batches} batches, and upsize "
            f"counts one step: if total_steps counts optimizer steps, images grow "
            f"{least} times too slowly; {self._cure(batches // least)}"
        )

    def _check_gap(self, batches: int, steps: bool, *, ends_epoch: bool) -> str | None:
        """Check that optimizers step in two windows running."""
        if not steps:
            return None
        gap, self._gap = self._gap, 0
        at_end, self._after_epoch = self._after_epoch or ends_epoch, ends_epoch
        first, self._any = not self._any, True
        if gap > batches:
            self._wide += 1
            # Where an epoch ends without a step, a gap is longer.
            self._least = gap = min(gap, self._least or gap)
            if self._wide < _HABIT:
                return None
            return self._say(
                f"optimizers step after every {gap} batches, and upsize counts a step "
                f"after every {batches}: sizes may change within an accumulation "
                "window, and if total_steps counts optimizer steps, images grow "
                f"{gap // batches} times too fast; {self._cure(gap)}"
            )
        # The end of an epoch may cut an accumulation window short.
        if not first and not at_end and not (self._crowded or self._single):
            self.is_sure = True
        return None

    def _say(self, text: str) -> str:
        self.is_sure = True
        return text
