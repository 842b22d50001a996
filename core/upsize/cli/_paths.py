"""The paths that options name, checked before anything slow is done with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from upsize.cli._errors import naming

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "check_file",
    "check_folder",
    "check_picture",
    "save_picture",
]


def check_file(path: Path, option: str) -> None:
    """Refuse what is not a file to read: a pipe would wait for a writer forever.

    Args:
        path: Where the file should be.
        option: The option that names it, for the message.

    Raises:
        OSError: When it is missing, a folder, a pipe or a device.
    """
    with naming(option, path):
        if path.is_dir():
            raise IsADirectoryError("is a folder, not a file")
        if not path.exists():
            raise FileNotFoundError("no such file")
        if not path.is_file():
            raise OSError("is not a regular file")


def check_folder(path: Path, option: str) -> None:
    """Refuse what is not a folder to read.

    Args:
        path: Where the folder should be.
        option: The option that names it, for the message.

    Raises:
        OSError: When it is missing, or a file.
    """
    with naming(option, path):
        if not path.exists():
            raise FileNotFoundError("no such folder")
        if not path.is_dir():
            raise NotADirectoryError("is a file, not a folder")


def check_picture(path: Path, option: str) -> None:
    """Refuse a picture that cannot be written.

    Args:
        path: Where it will be written.
        option: The option that names it, for the message.

    Raises:
        ValueError: For an unknown suffix.
        OSError: When the place cannot be written.
    """
    from upsize.plot import check_picture as check

    with naming(option, path):
        check(path)


def save_picture(picture: Axes | Figure, path: Path, option: str) -> None:
    """Write a picture, after all that it shows was printed.

    Args:
        picture: The figure, or axes on it.
        path: Where to write it.
        option: The option that names it, for the message.

    Raises:
        OSError: When the place can no longer be written.
    """
    from upsize.plot import save

    with naming(option, path):
        save(picture, path)
