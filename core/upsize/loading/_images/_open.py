"""Open image files: from a path, from bytes, or from a file that is open already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import IO, TypeAlias

from upsize.loading._images._files import ImageFile

__all__ = ["ImageSource", "open_file"]

ImageSource: TypeAlias = (
    "str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes]"
)

# Most JPEGs of small photographs are read at once.
_CHUNK = 1 << 16
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


@contextmanager
def open_file(source: ImageSource, *, exif: bool = False) -> Iterator[ImageFile]:
    """Open an image file and read its header.

    Args:
        source: The path of a file, its bytes, or a file that is open for reading bytes.
        exif: Whether to turn the image as its EXIF orientation says.

    Raises:
        OSError: When there is no such file, or it must not be read.
        ValueError: When it is no image; names the path.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name = f"the image of {len(source)} bytes"
        yield ImageFile(name, memoryview(source), exif=exif)
    elif isinstance(source, str | PathLike):
        data = _jpeg(source)
        if data is not None:
            yield ImageFile(source, memoryview(data), exif=exif)
            return
        with open(source, "rb") as file:  # noqa: PTH123 - a path takes longer to make
            yield ImageFile(source, file, exif=exif)
    else:
        kind = f"the image in a {type(source).__name__}"
        name = str(getattr(source, "name", None) or kind)
        yield ImageFile(name, source, exif=exif)


def _jpeg(path: str | PathLike[str]) -> bytes | None:
    """Return the bytes of a JPEG file; ``None``: it is not one, or cannot be read.

    Python's own files take longer to make than a small photograph to read.
    """
    try:
        file = os.open(path, _FLAGS)
        try:
            parts = [os.read(file, _CHUNK)]
            if parts[0][:2] != b"\xff\xd8":
                return None
            while part := os.read(file, _CHUNK):
                parts.append(part)
        finally:
            os.close(file)
    except OSError:
        return None  # opening it again says why
    return b"".join(parts)
