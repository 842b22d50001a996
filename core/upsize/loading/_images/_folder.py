"""The images in a folder, by name, and what in it cannot be read."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, NamedTuple

from upsize.loading._images._files import SUFFIXES

__all__ = ["Found", "LeftOut", "Listing", "list_images", "open_regular", "shown"]

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class Found(NamedTuple):
    """An image: its path below the folder, and its state on the disk.

    The state says whether the image has changed: its bytes, and when it was last
    written, in nanoseconds.
    """

    name: str
    bytes: int
    changed: int


class LeftOut(NamedTuple):
    """What cannot be read: its path below the folder, and a sentence that says why."""

    name: str
    why: str


@dataclass
class Listing:
    """The images below a folder by name, in order, and what cannot be read."""

    images: dict[str, Found] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


def shown(path: object) -> str:
    r"""Return a path as it can be printed: other characters are escaped.

    Example:
        >>> shown("cat/a.jpg"), shown("cat/a\n.jpg")
        ('cat/a.jpg', "'cat/a\\n.jpg'")
    """
    text = str(path)
    return text if text.isprintable() else ascii(text)


def list_images(root: Path) -> Listing:
    """List the images below a folder; opens none of them.

    Links are followed. Each folder is visited once, by its own path rather than that of
    a link, so a link to a folder above it ends. Hidden files and folders are skipped.

    Args:
        root: The folder. Images are told by :data:`SUFFIXES`.

    Raises:
        ValueError: When the folder cannot be read; names it.
    """
    listing, seen = Listing(), set()
    folders, links = deque([""]), deque[str]()
    while folders or links:
        name = folders.popleft() if folders else links.popleft()
        path = root / name
        try:
            state = path.stat()
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(path) as scanned:
                entries = [e for e in scanned if not e.name.startswith(".")]
        except OSError as error:
            why = f"{shown(path)}: this folder cannot be read ({error.strerror})"
            if not name:
                raise _no_folder(root, why, error) from error
            listing.left_out.append(LeftOut(name, why))
            continue
        for entry in entries:
            below = f"{name}/{entry.name}" if name else entry.name
            try:
                state = entry.stat()
            except OSError as error:
                if entry.is_symlink() or _is_image(entry.name):
                    why = f"{shown(entry.path)}: {_unopened(entry, error)}"
                    listing.left_out.append(LeftOut(below, why))
                continue
            if stat.S_ISDIR(state.st_mode):
                (links if entry.is_symlink() else folders).append(below)
            elif _is_image(entry.name):
                if stat.S_ISREG(state.st_mode):
                    found = Found(below, state.st_size, state.st_mtime_ns)
                    listing.images[below] = found
                else:
                    why = _not_a_file(entry.path, state.st_mode)
                    listing.left_out.append(LeftOut(below, why))
    listing.images = dict(sorted(listing.images.items()))
    listing.left_out.sort()
    return listing


def _no_folder(root: Path, why: str, error: OSError) -> ValueError:
    if isinstance(error, FileNotFoundError):
        why = f"{shown(root)}: no such folder of images"
    elif isinstance(error, NotADirectoryError):
        why = f"{shown(root)}: is not a folder; give the folder of the images"
    return ValueError(why)


def _is_image(name: str) -> bool:
    return PurePath(name).suffix.lower() in SUFFIXES


def _unopened(entry: os.DirEntry[str], error: OSError) -> str:
    if entry.is_symlink() and isinstance(error, FileNotFoundError):
        return "this link leads to nothing"
    return f"cannot be opened ({error.strerror})"


def _not_a_file(path: str | Path, mode: int) -> str:
    kind = _KINDS.get(stat.S_IFMT(mode), "something else")
    return f"{shown(path)}: is {kind}, not an image file"


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """Open a regular file for reading, and give it with its state.

    Never waits: a named pipe that nobody writes to would otherwise block for good.

    Raises:
        OSError: When there is no such file, or it must not be read.
        ValueError: When it is not a regular file; names it.
    """
    # Windows has neither pipes in folders nor this flag, but needs the other one.
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, os.O_RDONLY | flags), "rb") as file:  # noqa: PTH123
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(_not_a_file(path, state.st_mode))
        yield file, state
