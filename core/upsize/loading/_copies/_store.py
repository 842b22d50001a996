"""The store of small copies: one LMDB environment in a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from upsize._extras import require

require("lmdb", "jpeg", "Small copies")

import lmdb

from upsize.loading._copies._folder import FLOCK, locked, no_copies
from upsize.loading._copies._records import (
    HEADER,
    IMAGE,
    copy_key,
    image_key,
    unpack_header,
    unpack_image,
)
from upsize.loading._copies._settings import CopySettings
from upsize.loading._images._folder import Found, shown
from upsize.schedule import Size

__all__ = ["Environment", "speaking"]

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
    """An LMDB environment of copies that is open in this process, with its lock.

    Attributes:
        file: Device and number of its file.
    """

    def __init__(self, target: Path, *, write: bool) -> None:
        self.target, self.pid = target, os.getpid()
        with ExitStack() as stack:
            file = stack.enter_context(locked(target, write=write))
            state = os.fstat(file)
            self.file, size = (state.st_dev, state.st_ino), state.st_size
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

    def images(self, most: int = sys.maxsize) -> dict[str, Found]:
        """Return the images that are done, by name; the first ones, at most so many."""
        images: dict[str, Found] = {}
        with speaking(self.target), self._lmdb.begin(buffers=True) as transaction:
            cursor = transaction.cursor()
            more = cursor.set_range(IMAGE)
            while more and len(images) < most and cursor.key()[: len(IMAGE)] == IMAGE:
                image = self._image(*cursor.item())
                images[image.name] = image
                more = cursor.next()
        return images

    def _image(self, key: memoryview, value: memoryview) -> Found:
        try:
            return unpack_image(key, value)
        except ValueError as error:
            raise _again(self.target, f"these copies are damaged ({error})") from error

    def transaction(self) -> Any:
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
            transaction: What :meth:`transaction` returned, entered.
            name: The image.
            size: Size of samples.
        """
        try:
            found: memoryview | None = transaction.get(copy_key(size, name))
        except lmdb.Error as error:
            raise _spoken(self.target, error) from error
        return found

    def has(self, transaction: Any, name: str) -> bool:
        """Return whether an image is done; it may have no copies, as it is small."""
        return transaction.get(image_key(name)) is not None

    def close(self) -> None:
        """Close the environment and give back its lock; more than once is harmless."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
