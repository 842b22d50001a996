"""A place behind the transfer of each batch to its device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["BatchHook"]


class BatchHook:
    """Stands in for ``strategy.batch_to_device`` and changes what it returns.

    No callback hook of Lightning may replace a batch; this is the one place that every
    batch passes, behind the user's own transfer hooks, in whichever of the module and
    the data module they are.

    Args:
        strategy: The trainer's strategy.
        change: Called with each batch on its device; returns the one to use.
    """

    def __init__(self, strategy: Any, change: Callable[[Any], Any]) -> None:
        self._strategy = strategy
        self._change: Callable[[Any], Any] | None = change
        # What another tool may have put there before us.
        self._before = vars(strategy).get("batch_to_device")
        self._inner = strategy.batch_to_device
        strategy.batch_to_device = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        batch = self._inner(*args, **kwargs)
        return batch if self._change is None else self._change(batch)

    def remove(self) -> None:
        """Put back what was there; under a tool that came later, only step aside."""
        self._change = None
        if vars(self._strategy).get("batch_to_device") is not self:
            return
        if self._before is None:
            del self._strategy.batch_to_device
        else:
            self._strategy.batch_to_device = self._before
