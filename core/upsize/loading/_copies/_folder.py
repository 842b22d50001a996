"""The folder of a store: what may be in it, and who may write to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upsize.loading._images._folder import shown

try:
    import fcntl
except ModuleNotFoundError:  # pragma: no cover - Windows, where LMDB's lock is used
    fcntl = None  # type: ignore[assignment]

__all__ = ["FLOCK", "check_apart", "check_target", "data_file", "locked", "no_copies"]

#: Whether the locks of this module work; else LMDB's own file of locks is needed.
FLOCK = fcntl is not None
_DATA = "data.mdb"
# LMDB gives the names.
_OURS = (_DATA,) if FLOCK else (_DATA, "lock.mdb")
_NAMED = 3


def no_copies(target: Path) -> ValueError:
    """Return the error for a folder without a store."""
    return ValueError(
        f"{shown(target)}: holds no small copies: make them with `upsize copies`, or "
        "with small_copies"
    )


def data_file(target: Path) -> Path:
    """Return the file of a store."""
    return target / _DATA


def check_apart(one: Path, other: Path, what: str) -> None:
    """Refuse two folders of which one contains the other, by whatever links.

    Args:
        one: A folder.
        other: A folder, which need not exist.
        what: What the other one is for, in the message.

    Raises:
        ValueError: Names both.
    """
    # By device and number, as a folder can have several names without any link.
    for inner, outer in ((one, other), (other, one)):
        whole = Path(os.path.realpath(inner))
        for folder in (whole, *whole.parents):
            try:
                same = folder.samefile(outer)
            except OSError:  # one of them does not exist
                same = folder == Path(os.path.realpath(outer))
            if same:
                raise ValueError(
                    f"{shown(other)}: {what} must be apart from {shown(one)}, neither "
                    "inside it nor around it: choose a folder beside it"
                )


def check_target(target: Path) -> bool:
    """Check that a folder holds a store and nothing else; writes nothing.

    Returns:
        Whether there is a store; ``False``: the folder is empty, or does not exist.

    Raises:
        ValueError: When it holds other files, or is not a folder; names them.
    """
    try:
        entries = list(os.scandir(target))
    except FileNotFoundError as error:
        if target.is_symlink():
            raise ValueError(f"{shown(target)}: this link leads to nothing") from error
        return False
    except NotADirectoryError as error:
        raise ValueError(
            f"{shown(target)}: is not a folder; the copies need one of their own"
        ) from error
    except OSError as error:
        raise ValueError(
            f"{shown(target)}: this folder cannot be read ({error.strerror})"
        ) from error
    foreign = sorted(entry.name for entry in entries if not _is_ours(entry))
    if foreign:
        named = ", ".join(map(shown, foreign[:_NAMED]))
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise ValueError(
            f"{shown(target)}: holds what upsize did not put there ({named}{more}); "
            "the copies need a folder of their own: choose a new or an empty one"
        )
    data = data_file(target)
    return data.exists() and data.stat().st_size > 0


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Return whether a file can be ours: neither a link nor another file's second name."""
    state = entry.stat(follow_symlinks=False)
    return (
        entry.name in _OURS
        and stat.S_ISREG(state.st_mode)
        and os.lstat(entry).st_nlink == 1
    )


@contextmanager
def locked(target: Path, *, write: bool) -> Iterator[int]:
    """Hold the lock of a store: one process that writes, or any that read.

    Gives the descriptor of the store's file. A process that is killed leaves no lock.

    Raises:
        ValueError: When others hold it; names the folder.
            Also when there is no store to read.
        OSError: When the file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT if write else os.O_RDONLY
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        file = os.open(data_file(target), flags, 0o666)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise no_copies(target) from error
    except OSError as error:
        how = "written" if write else "read"
        raise OSError(
            f"{shown(target)}: these copies cannot be {how} ({error.strerror})"
        ) from error
    try:
        _lock(file, target, write=write)
        yield file
    finally:
        os.close(file)


def _lock(file: int, target: Path, *, write: bool) -> None:
    if fcntl is None:  # pragma: no cover - Windows
        return
    kind = fcntl.LOCK_EX if write else fcntl.LOCK_SH
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ValueError(
            f"{shown(target)}: another process or thread writes to these copies"
            + (", or reads them" if write else "")
            + ": run this again when it has ended"
        ) from error
    except OSError as error:
        if write:  # without a lock, two runs could write at once
            raise ValueError(
                f"{shown(target)}: files on this disk cannot be locked "
                f"({error.strerror}): make the copies on another one and move them"
            ) from error
