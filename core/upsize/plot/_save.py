"""Pictures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

__all__ = ["check_picture", "save"]


def check_picture(path: str | PathLike[str]) -> Path:
    """Say whether a picture can be written, before the work that it is to show.

    Args:
        path: File of the picture, ending in .png, .svg, .pdf or another format of
            matplotlib's.

    Returns:
        The path.

    Raises:
        ValueError: For another ending; names those that are allowed.
        OSError: When its folder is missing, or it is a folder itself.

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
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, not a file to write")
    return path


def save(picture: Axes | Figure, path: str | PathLike[str]) -> None:
    """Write a picture, in the format that the ending of its file names.

    Args:
        picture: The figure, or axes on it.
        path: As for :func:`check_picture`.

    Raises:
        ValueError: For an unknown ending.
        OSError: When the file cannot be written.
    """
    figure = picture if isinstance(picture, Figure) else picture.get_figure(root=True)
    assert figure is not None  # axes that are on no figure were removed from it
    figure.savefig(check_picture(path), dpi=150)
