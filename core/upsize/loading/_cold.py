"""Files that the operating system reads from the disk again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike

from upsize.loading._images._folder import shown

__all__ = ["forget"]

_TRIES, _PAUSE = 5, 0.02  # seconds


def forget(paths: Iterable[str | PathLike[str]]) -> str:
    """Let the operating system drop the contents of files from its memory.

    Args:
        paths: Files, none of which is mapped into the memory of a process.

    Returns:
        Why that cannot be done; ``""`` when all of them are read from the disk next.

    Raises:
        OSError: When one of them cannot be opened.
    """
    if not hasattr(os, "posix_fadvise") or not hasattr(os, "RWF_NOWAIT"):
        return "this operating system does not empty its cache for a program"
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            if not _dropped(file):
                return (
                    f"{shown(path)}: its file system keeps it in memory, or cannot say"
                )
        finally:
            os.close(file)
    return ""


def _dropped(file: int) -> bool:
    """Return whether the system has dropped a file, pages of which may be busy."""
    for _ in range(_TRIES):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        if _is_cold(file):
            return True
        with suppress(OSError):  # a file system that is only read
            os.fsync(file)  # what is not on the disk yet stays
        time.sleep(_PAUSE)
    return False


def _is_cold(file: int) -> bool:
    """Return whether a byte of a file cannot be read without waiting for the disk."""
    try:
        return os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT) == 0  # empty
    except BlockingIOError:
        return True
    except OSError:  # a file system that cannot say, as one in memory
        return False
