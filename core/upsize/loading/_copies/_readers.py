"""The stores of small copies that this process reads."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize

from upsize.loading._copies._folder import data_file, no_copies
from upsize.loading._copies._open import CopyOpener
from upsize.loading._copies._serving import Serving
from upsize.loading._copies._settings import CopySettings
from upsize.loading._copies._store import Environment
from upsize.loading._images._folder import shown

__all__ = ["Reader", "close_reader", "open_reader"]


class _Uses:
    """Counts the threads that read a store, and closes it when none does.

    What is read lies in the memory of the store: to close it ends the process in which
    a thread still reads.

    Args:
        close: Closes the store.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self._close, self._count = close, 0
        self._idle = threading.Condition()
        self.closed = False

    def begin(self) -> bool:
        """Begin to read; return ``False`` if the store is closed."""
        with self._idle:
            self._count += not self.closed
            return not self.closed

    def end(self) -> None:
        """Stop reading."""
        with self._idle:
            self._count -= 1
            self._idle.notify_all()

    def close(self) -> None:
        """Close the store when nobody reads it any more."""
        with self._idle:
            self._idle.wait_for(lambda: not self._count)
            self.close_unused()

    def close_unused(self) -> None:
        """Close the store unless somebody reads it, as a thread may until the process ends."""
        if not self._count:
            self.closed = True
            self._close()


class Reader(Environment):
    """A store that this process reads. Must not be used in a forked process.

    Args:
        target: The folder.

    Raises:
        ValueError: When it holds no store that this version of upsize made; names it.
    """

    def __init__(self, target: Path) -> None:
        super().__init__(target, write=False)
        self._uses = _Uses(self._closing.close)
        # Not by __del__, which may run when the process has lost what it needs.
        finalize(self, self._uses.close_unused)

    @property
    def settings(self) -> CopySettings:
        """The settings of all copies.

        Raises:
            ValueError: When the run that makes them was killed before the first.
        """
        if self.found is None:
            raise no_copies(self.target)
        return self.found

    @property
    def closed(self) -> bool:
        """Whether nothing can be read any more."""
        return self._uses.closed

    def close(self) -> None:
        """Close the environment and give back its lock, when no thread reads it."""
        if self.pid == os.getpid():
            self._uses.close()
        else:  # the threads that read it are those of another process
            self._uses.closed = True
            self._closing.close()

    @cached_property
    def opener(self) -> CopyOpener:
        """Opens the copies.

        Raises:
            ValueError: As :attr:`settings`.
        """
        return CopyOpener(Serving(self.settings))

    @contextmanager
    def begin(self) -> Iterator[Any]:
        """Give a transaction, for :meth:`get`, during which the store stays open.

        Raises:
            ValueError: When LMDB cannot read the store, or it has been closed.
        """
        if not self._uses.begin():
            raise ValueError(
                f"{shown(self.target)}: these copies are being made again: run this "
                "again when they are complete"
            )
        try:
            with self.transaction() as transaction:
                yield transaction
        finally:
            self._uses.end()


# By the device and the number of the file: a store may be moved, or another one be made
# under its name.
_OPEN: WeakValueDictionary[tuple[int, int], Reader] = WeakValueDictionary()
_OPENING = threading.Lock()
if sys.platform != "win32":  # pragma: no branch - where there is no fork
    # A worker may be forked while another thread opens a store.
    os.register_at_fork(
        before=_OPENING.acquire,
        after_in_parent=_OPENING.release,
        after_in_child=_OPENING.release,
    )


def open_reader(target: Path) -> Reader:
    """Return the reader of a store; one for all who read it in this process.

    LMDB opens an environment once in a process. A forked process opens its own.
    """
    with _OPENING:
        reader = _opened(target)
        if reader is not None:
            if reader.pid == os.getpid() and not reader.closed:
                return reader
            reader.close()
        reader = Reader(target)
        _OPEN[reader.file] = reader
        return reader


def close_reader(target: Path) -> None:
    """Close the reader that this process has of a store, which is opened again later."""
    with _OPENING:
        reader = _opened(target)
        if reader is not None:
            reader.close()


def _opened(target: Path) -> Reader | None:
    try:
        state = data_file(target).stat()
    except OSError:
        return None
    return _OPEN.get((state.st_dev, state.st_ino))
