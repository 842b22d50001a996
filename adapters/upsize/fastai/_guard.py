"""The one place that sees every end of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FitGuard"]


def _nothing() -> None:
    """Do nothing, as fastai does after events that end without more."""


class FitGuard:
    """Stands in for ``learner._with_events``, and tells when a fit begins and ends.

    fastai sends no event after Ctrl-C and most exceptions, and sends ``before_fit``
    also where nothing is fitted.

    Args:
        learner: The learner.
        begin: Called before a fit.
        end: Called after it, whatever has happened; with whether it ended by itself.
    """

    def __init__(
        self, learner: Any, begin: Callable[[], None], end: Callable[[bool], None]
    ) -> None:
        self._learner, self._begin, self._end = learner, begin, end
        self._active = True
        # What another tool may have put there before us.
        self._before = vars(learner).get("_with_events")
        self._inner = learner._with_events
        learner._with_events = self

    def __call__(
        self, f: Any, event_type: str, ex: Any, final: Callable[[], Any] = _nothing
    ) -> None:
        if event_type != "fit" or not self._active:
            self._inner(f, event_type, ex, final)
            return
        completed = False
        try:
            self._begin()
            self._inner(f, event_type, ex, final)
            completed = True
        finally:
            self._end(completed)

    def remove(self) -> None:
        """Put back what was there; under a tool that came later, only step aside."""
        self._active = False
        if vars(self._learner).get("_with_events") is not self:
            return
        if self._before is None:
            del self._learner._with_events
        else:
            self._learner._with_events = self._before

    def __reduce__(self) -> Any:
        # An exported learner must load where upsize is not installed.
        return getattr, (self._learner, "_with_events")
