"""JPEG by libjpeg-turbo through simplejpeg, where that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from upsize.schedule import Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

try:
    import simplejpeg
except ModuleNotFoundError:  # pragma: no cover - in test_decode.py
    # Pillow decodes the same pixels, in more time.
    simplejpeg = None

__all__ = ["comment", "decode", "header"]

_START, _COMMENT = b"\xff\xd8", 0xFE


def header(data: bytes) -> Size | None:
    """Return the size of an image; ``None``: a case for Pillow.

    That is what is no JPEG, has other colours than the usual ones, or is too large for
    Pillow to open without a warning.
    """
    if simplejpeg is None or not data.startswith(_START):
        return None
    try:
        found: Any = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    height, width, colours, _ = found
    # Colours that are stored as RGB are rare, and no two decoders agree on how to tell
    # them.
    if colours not in ("YCbCr", "Gray"):
        return None
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and height * width > most:
        return None
    return Size(height, width)


def decode(data: bytes, size: Size, reduction: int) -> NDArray[np.uint8] | None:
    """Decode to (height, width, 3) bytes; ``None``: a case for Pillow, as it is damaged.

    Args:
        data: A JPEG that has a :func:`header`.
        size: As that says.
        reduction: 1, 2, 4 or 8; the sides are divided by it and rounded up.
    """
    height, width = (-(-side // reduction) for side in size)
    assert simplejpeg is not None  # whoever has a header has it
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data,
            "RGB",
            min_width=width if reduction > 1 else 0,
            min_height=height if reduction > 1 else 0,
        )
    except ValueError:
        # Whether such a file is read is Pillow's to say, and its users' by
        # ImageFile.LOAD_TRUNCATED_IMAGES.
        return None
    return pixels


def comment(data: bytes) -> str:
    """Return the comment in a JPEG; empty where there is none before the pixels."""
    at = len(_START)
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in (b"", b"\xda"):
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == _COMMENT:
            return data[at + 4 : stop].decode("latin-1")
        at = stop
    return ""
