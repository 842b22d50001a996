"""Runs of a framework's own trainer, an epoch each time one is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

__all__ = ["EpochStepper"]


class _Stop(BaseException):
    """Nobody asks for the epochs that are left; not an error, so nothing catches it."""


class EpochStepper:
    """Lets a trainer wait before each epoch until the next one is asked for.

    A trainer cannot be left and entered again as a generator can, so it runs in a
    thread of its own. The two threads never run at the same time.
    """

    def __init__(self) -> None:
        self._more: SimpleQueue[bool] = SimpleQueue()
        self._outcome: SimpleQueue[float | BaseException] = SimpleQueue()
        self._seconds = self._begin = 0.0

    def begin(self) -> None:
        """Wait, in the trainer, until the epoch that would begin is asked for."""
        if not self._more.get():
            raise _Stop
        self._begin = time.perf_counter()

    def end(self) -> None:
        """Report, in the trainer, the end of an epoch."""
        self._seconds += time.perf_counter() - self._begin
        self._outcome.put(self._seconds)

    def run(self, fit: Callable[[], object], epochs: int) -> Iterator[float]:
        """Run a trainer, and yield its seconds of training so far after each epoch.

        Args:
            fit: Trains, with :meth:`begin` and :meth:`end` around each epoch.
            epochs: How many there are.
        """
        thread = threading.Thread(target=self._fit, args=(fit,), daemon=True)
        thread.start()
        try:
            for _ in range(epochs):
                self._more.put(True)
                outcome = self._outcome.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            self._more.put(False)
            thread.join()

    def _fit(self, fit: Callable[[], object]) -> None:
        """Train, in the thread."""
        try:
            fit()
        except _Stop:
            pass
        except BaseException as error:
            self._outcome.put(error)
