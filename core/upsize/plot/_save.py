"""Save pictures to files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

__all__ = ["check_picture", "save"]


def check_picture(path: str | PathLike[str]) -> Path:
    """Check that a picture can be written, before the work that it will show.

    An existing file stays unchanged. A new file is created and removed again, since
    only an attempt shows whether it can be written.

    Args:
        path: File of the picture, ending in .png, .svg, .pdf or another format that
            matplotlib supports.

    Returns:
        The path.

    Raises:
        ValueError: For an unsupported file extension; names the supported ones.
        OSError: When its folder is missing, it is not a regular file, or it cannot be
            written.

    Example:
        >>> check_picture("sizes.png").suffix
        '.png'
    """
    path = Path(path)
    allowed = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in allowed:
        raise ValueError(
            f"{path}: a picture must end in one of .{', .'.join(sorted(allowed))}"
        )
    if not path.parent.exists():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if not path.parent.is_dir():
        raise NotADirectoryError(f"{path}: {path.parent} is a file, not a folder")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, not a file to write")
    try:
        _try_to_write(path)
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _try_to_write(path: Path) -> None:
    """Open a file for writing, and leave everything unchanged."""
    # For a link, its target is created and removed again.
    real = Path(os.path.realpath(path))
    if not os.path.lexists(real):
        real.open("xb").close()
        real.unlink()
    elif real.is_file():
        real.open("ab").close()
    else:  # a pipe would wait for a reader
        raise OSError(0, "it is not a regular file")


def save(picture: Axes | Figure, path: str | PathLike[str]) -> None:
    """Write a picture, in the format of its file extension.

    Args:
        picture: The figure, or axes on it.
        path: See :func:`check_picture`.

    Raises:
        ValueError: For an unsupported file extension.
        OSError: When the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "empty.png")
        >>> save(Figure(figsize=(1, 1)), path)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    figure = picture if isinstance(picture, Figure) else picture.get_figure(root=True)
    assert figure is not None  # axes that are on no figure were removed from it
    figure.savefig(check_picture(path), dpi=150)
