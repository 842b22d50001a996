"""The store of small copies: one LMDB environment in a folder of its own, and reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from weakref import WeakValueDictionary, finalize

from upsize._extras import require

require("lmdb", "jpeg", "Small copies")

import lmdb

from upsize.loading._copies._folder import FLOCK, locked, no_copies
from upsize.loading._copies._open import CopyOpener
from upsize.loading._copies._records import (
    HEADER,
    IMAGE,
    copy_key,
    unpack_header,
    unpack_image,
)
from upsize.loading._copies._serving import Serving
from upsize.loading._copies._settings import CopySettings
from upsize.loading._images._folder import Found, shown
from upsize.schedule import Size

__all__ = ["Environment", "Reader", "close_reader", "open_reader", "speaking"]

# Room in memory addresses, not on the disk; doubled when it is full.
_MAP_SIZE = 1 << 26
# LMDB's first two pages say where all others are.
_LEAST_BYTES = 2 * 4096


def _again(target: Path, what: str) -> ValueError:
    return ValueError(
        f"{shown(target)}: {what}: remove this folder and make the copies again"
    )


@contextmanager
def speaking(target: Path) -> Iterator[None]:
    """Turn the errors of LMDB into sentences."""
    try:
        yield
    except lmdb.Error as error:
        raise _spoken(target, error) from error


def _spoken(target: Path, error: lmdb.Error) -> Exception:
    """Return an error of LMDB as a sentence."""
    if isinstance(error, lmdb.DiskError):
        return OSError(
            f"{shown(target)}: the disk is full; what was made is kept: make room, and "
            "run this again to resume"
        )
    if isinstance(
        error, lmdb.CorruptedError | lmdb.PageNotFoundError | lmdb.PanicError
    ):
        return _again(target, f"these copies are damaged ({error})")
    return ValueError(
        f"{shown(target)}: these copies cannot be opened or written ({error})"
    )


class Environment:
    """An LMDB environment of copies that is open in this process, with its lock."""

    def __init__(self, target: Path, *, write: bool) -> None:
        self.target, self.pid = target, os.getpid()
        with ExitStack() as stack:
            file = stack.enter_context(locked(target, write=write))
            size = os.fstat(file).st_size
            if not (size or write):
                raise no_copies(target)
            if 0 < size < _LEAST_BYTES:
                raise _again(target, "the file of these copies is cut short")
            with speaking(target):
                self._lmdb: Any = stack.enter_context(
                    lmdb.open(
                        os.fspath(target),
                        map_size=_MAP_SIZE,
                        readonly=not write,
                        lock=write and not FLOCK,
                    )
                )
                pages = self._lmdb.info()["last_pgno"] + 1
                if 0 < size < pages * self._lmdb.stat()["psize"]:
                    # To read past its end would kill the process.
                    raise _again(target, "the file of these copies is cut short")
                self.found = self._settings()
            self._closing = stack.pop_all()

    def _settings(self) -> CopySettings | None:
        """Return the settings; ``None`` before anything is written."""
        with self._lmdb.begin(buffers=True) as transaction:
            value = transaction.get(HEADER)
            if value is not None:
                try:
                    return unpack_header(value)
                except ValueError as error:
                    raise _again(
                        self.target,
                        f"this version of upsize cannot read these copies ({error})",
                    ) from error
        if self._lmdb.stat()["entries"]:
            raise ValueError(
                f"{shown(self.target)}: holds an LMDB environment that upsize did not "
                "make: choose another folder"
            )
        return None

    def images(self) -> dict[str, Found]:
        """Return the images that are done, by name."""
        images = {}
        with speaking(self.target), self._lmdb.begin(buffers=True) as transaction:
            cursor = transaction.cursor()
            more = cursor.set_range(IMAGE)
            while more and cursor.key()[: len(IMAGE)] == IMAGE:
                image = self._image(*cursor.item())
                images[image.name] = image
                more = cursor.next()
        return images

    def _image(self, key: memoryview, value: memoryview) -> Found:
        try:
            return unpack_image(key, value)
        except ValueError as error:
            raise _again(self.target, f"these copies are damaged ({error})") from error

    def close(self) -> None:
        """Close the environment and give back its lock; more than once is harmless."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reader(Environment):
    """A store that this process reads. Must not be used in a forked process.

    Args:
        target: The folder.

    Raises:
        ValueError: When it holds no store that this version of upsize made; names it.
    """

    def __init__(self, target: Path) -> None:
        super().__init__(target, write=False)
        # Not by __del__, which may run when the process has lost what it needs.
        self._close = finalize(self, self._closing.close)

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
        return not self._close.alive

    def close(self) -> None:
        """Close the environment and give back its lock."""
        self._close()

    @cached_property
    def opener(self) -> CopyOpener:
        """Opens the copies.

        Raises:
            ValueError: As :attr:`settings`.
        """
        return CopyOpener(Serving(self.settings))

    def begin(self) -> Any:
        """Return a transaction of LMDB, for :meth:`get`: a context manager.

        Raises:
            ValueError: When LMDB cannot read the store.
        """
        try:
            return self._lmdb.begin(buffers=True)
        except lmdb.Error as error:
            raise _spoken(self.target, error) from error

    def get(self, transaction: Any, name: str, size: Size) -> memoryview | None:
        """Return a copy as it lies in the store's file; ``None``: there is none.

        It is valid until the transaction ends.

        Args:
            transaction: What :meth:`begin` returned, entered.
            name: The image.
            size: Size of samples.
        """
        try:
            found: memoryview | None = transaction.get(copy_key(size, name))
        except lmdb.Error as error:
            raise _spoken(self.target, error) from error
        return found


_OPEN: WeakValueDictionary[str, Reader] = WeakValueDictionary()


def open_reader(target: Path) -> Reader:
    """Return the reader of a store; one for all who read it in this process.

    LMDB opens an environment once in a process. A forked process opens its own.
    """
    path = os.path.realpath(target)
    reader = _OPEN.get(path)
    if reader is not None:
        if reader.pid == os.getpid() and not reader.closed:
            return reader
        reader.close()
    reader = _OPEN[path] = Reader(target)
    return reader


def close_reader(target: Path) -> None:
    """Close the reader that this process has of a store, which is opened again later."""
    reader = _OPEN.get(os.path.realpath(target))
    if reader is not None:
        reader.close()
