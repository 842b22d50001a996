"""The images that copies are made of: their names, and whether copies are theirs."""

from __future__ import annotations

import os
import re
from os import PathLike
from pathlib import Path

from upsize.loading._copies._readers import Reader
from upsize.loading._images._folder import shown
from upsize.schedule import Size

__all__ = [
    "check_full_copy",
    "check_full_size",
    "check_source",
    "in_file_pixels",
    "name_of",
    "not_read",
    "unknown_image",
]

# In a path that is not as os.path.abspath writes it; of other systems it is any path.
_NOT_PLAIN = re.compile(r"/(?:[/.]|\Z)" if os.sep == "/" else "")
# Images that are looked at.
_MOST = 8
_POSITIONS = (
    "positions beside the image (boxes, keypoints, a mask, or other numbers) or a crop "
    "before the resize are in pixels of the file"
)
_SCALE = "open it with load(path, return_scale=True), and scale what is beside it"


def name_of(path: str | PathLike[str], root: str) -> str:
    """Return the name that an original has in the store.

    Args:
        path: The original.
        root: The folder of the originals, with a separator at its end.

    Raises:
        ValueError: When it lies in another folder; names both.
    """
    whole = os.fspath(path)
    if not whole.startswith(root) or _NOT_PLAIN.search(whole):
        whole = os.path.abspath(whole)  # noqa: PTH100 - keeps links, as the listing does
        if not whole.startswith(root):
            raise ValueError(
                f"{shown(path)}: is not in {shown(root[:-1] or root)}, of which these are "
                "the copies"
            )
    return whole[len(root) :].replace(os.sep, "/")


def check_source(reader: Reader, source: Path) -> None:
    """Refuse copies that were made of other images of the same names.

    Args:
        reader: The store.
        source: The folder of the originals. Those that are gone, or empty, do not count.

    Raises:
        ValueError: When all of those that are looked at have another length; names both
            folders.
    """
    others = []
    for image in reader.images(_MOST).values():
        try:
            length = (source / image.name).stat().st_size
        except OSError:
            continue
        if length == image.bytes:
            return
        if length:
            others.append(image.name)
    if others:
        raise ValueError(
            f"{shown(reader.target)}: these copies were made of other images than those "
            f"in {shown(source)}: {shown(others[0])} has another length. Give the folder "
            "of the images that they were made of, or make them again"
        )


def check_full_copy(reader: Reader, full_copy: bool) -> None:
    """Refuse copies that were made with ``full_copy`` for a loader without, and others."""
    made = reader.settings.full_copy is not None
    if made != full_copy:
        raise ValueError(
            f"{shown(reader.target)}: these copies were made "
            f"{'with' if made else 'without'} full_copy, so CopyLoader needs "
            f"full_copy={made}, not {full_copy!r}; or make other copies"
        )


def check_full_size(reader: Reader, size: Size) -> None:
    """Refuse a full size that copies in the place of the originals are too small for."""
    short = reader.settings.full_copy
    if short is not None and short < min(size):
        raise ValueError(
            f"{shown(reader.target)}: these copies take the place of the originals with "
            f"a shorter side of {short} pixels, and would be enlarged to {size}: make "
            f"copies with full_copy={min(size)} or more, or choose a smaller size"
        )


def unknown_image(
    path: str | PathLike[str], source: str | PathLike[str], target: str | PathLike[str]
) -> str:
    """Return the warning for an image that no copies were made of."""
    return (
        f"{shown(path)}: {shown(target)} has no copies of this image, so it is read "
        f"itself, as all others without copies: make those of new images with `upsize "
        f"copies`, or give CopyLoader the folder that they were made of, if that is not "
        f"{shown(source)}"
    )


def not_read(target: str | PathLike[str]) -> str:
    """Return the warning for copies that do not fit what is beside the images."""
    return (
        f"{shown(target)}: these copies are not read, but the originals, as {_POSITIONS}: "
        f"to read a copy, {_SCALE}"
    )


def in_file_pixels(path: str | PathLike[str]) -> ValueError:
    """Return the error for a copy that takes the place of such an original."""
    return ValueError(
        f"{shown(path)}: its copy of full_copy is smaller than the file, and {_POSITIONS}: "
        f"{_SCALE}; or make copies without full_copy"
    )
