"""Open image files: from a path, from bytes, or from a file that is open already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from torch import Tensor

from upsize.loading._images._files import ImageFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ImageSource", "open_file"]

ImageSource: TypeAlias = "str | PathLike[str] | bytes | bytearray | memoryview | NDArray[np.uint8] | Tensor | IO[bytes]"

# Most JPEGs of small photographs are read at once.
_CHUNK = 1 << 16
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


@contextmanager
def open_file(source: ImageSource, *, exif: bool = False) -> Iterator[ImageFile]:
    """Open an image file and read its header.

    Args:
        source: The path of a file, its bytes, also in an array or a tensor of uint8, or
            a file that is open for reading bytes.
        exif: Whether to turn the image as its EXIF orientation says.

    Raises:
        TypeError: When it is something else; says what to give.
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
    elif hasattr(source, "read"):
        opened: Any = source
        kind = f"the image in a {type(source).__name__}"
        yield ImageFile(str(getattr(opened, "name", None) or kind), opened, exif=exif)
    else:
        held = _array(source)
        yield ImageFile(f"the image of {len(held)} bytes", held, exif=exif)


def _array(source: Any) -> memoryview:
    """Return the bytes that an array or a tensor holds, as of HDF5 or ``read_file``."""
    try:
        array: Any = source.numpy() if isinstance(source, Tensor) else source
        data = memoryview(array)
    except TypeError:
        data = None
    if data is None or not (data.ndim == 0 or (data.ndim, data.itemsize) == (1, 1)):
        raise TypeError(
            "an image must be a path, the bytes of a file, or an open file, not a "
            f"{type(source).__name__}: give the loader the file, not what is decoded "
            "already, or the row that has it; datasets of Hugging Face have the bytes "
            'in row["image"]["bytes"] after cast_column("image", Image(decode=False))'
        )
    whole = data.ndim and data.c_contiguous
    return data.cast("B") if whole else memoryview(data.tobytes())


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
