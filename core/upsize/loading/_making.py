"""Values that the code that makes a batch sees, and the threads that it starts."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

__all__ = ["Making"]

Value = TypeVar("Value", bound=Hashable)


class Making(Generic[Value]):
    """A value that is set while a batch is made.

    Threads have a context of their own, and a pool keeps the one that it was started
    in. So a thread without a value sees those that are set in other threads of its
    process. The main thread does not: it does not work for a loader in another one.

    Args:
        name: Its name, for debuggers.
    """

    def __init__(self, name: str) -> None:
        self._own: ContextVar[Value | None] = ContextVar(name, default=None)
        self._by_thread: dict[int, Value] = {}
        # A worker may be forked while its parent makes a batch.
        if sys.platform != "win32":  # pragma: no branch - where there is no fork
            os.register_at_fork(after_in_child=self._by_thread.clear)

    @contextmanager
    def of(self, value: Value) -> Iterator[None]:
        """Set the value inside."""
        token, thread = self._own.set(value), threading.get_ident()
        before = self._by_thread.get(thread)
        self._by_thread[thread] = value
        try:
            yield
        finally:
            self._own.reset(token)
            if before is None:
                self._by_thread.pop(thread, None)
            else:
                self._by_thread[thread] = before

    def visible(self) -> frozenset[Value]:
        """Return the value that is set; several where other threads have set several."""
        own = self._own.get()
        if own is not None:
            return frozenset((own,))
        if threading.current_thread() is threading.main_thread():
            return frozenset()
        return frozenset(self._by_thread.copy().values())
