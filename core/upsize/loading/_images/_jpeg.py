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

__all__ = ["decode", "header"]

_START = b"\xff\xd8"


def header(data: bytes | memoryview) -> Size | None:
    """Return the size of an image; ``None``: a case for Pillow.

    That is what is no JPEG, has other colours than the usual ones, or is too large for
    Pillow to open without a warning.
    """
    if simplejpeg is None or data[:2] != _START:
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


def decode(
    data: bytes | memoryview, size: Size, reduction: int
) -> NDArray[np.uint8] | None:
    """Decode to (height, width, 3) bytes; ``None``: a case for Pillow, as it is damaged.

    Args:
        data: A JPEG that has a :func:`header`.
        size: As that says.
        reduction: 1, 2, 4 or 8; the sides are divided by it and rounded up.
    """
    # simplejpeg's least sides; 0 for all of them.
    height = -(-size.height // reduction) if reduction > 1 else 0
    width = -(-size.width // reduction) if reduction > 1 else 0
    assert simplejpeg is not None  # whoever has a header has it
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data,
            "RGB",
            min_width=width,
            min_height=height,
        )
    except ValueError:
        # Whether such a file is read is Pillow's to say, and its users' by
        # ImageFile.LOAD_TRUNCATED_IMAGES.
        return None
    return pixels
