"""Copies whose pixels are not encoded: written, and read where they lie."""

from __future__ import annotations

import ctypes
import io
import struct
import sys
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from upsize.loading._images._files import ORIENTATION, TURNS
from upsize.schedule import Size

__all__ = ["RAW_HEAD", "RawImage", "RawShape", "pack_pixels", "read_shape"]

# Height, width, colours and the EXIF orientation.
_HEAD = struct.Struct("<IIBB")
#: Bytes before the pixels.
RAW_HEAD = _HEAD.size
_MODES = {1: "L", 3: "RGB"}
# The memory of this process from address 1 on. Views of it take half the time of those of
# an array, and torch does not warn that their memory is only to be read. Nothing but the
# view of a whole copy is made of it, so that torch bounds what is cut from that.
_MEMORY = torch.frombuffer(
    (ctypes.c_ubyte * sys.maxsize).from_address(1), dtype=torch.uint8
)


def pack_pixels(image: Image.Image, orientation: int) -> bytes:
    """Return the pixels of an image, grey or RGB, and their shape."""
    head = _HEAD.pack(*reversed(image.size), len(image.getbands()), orientation)
    return head + image.tobytes()


class RawShape(NamedTuple):
    """The shape of stored pixels.

    Attributes:
        stored: The size, before it is turned.
        size: The size as it is turned.
        row: Bytes of a row.
        colours: 1 for grey, 3 for RGB.
        orientation: That of EXIF.
        turn: The one that is followed; 1: not turned.
    """

    stored: Size
    size: Size
    row: int
    colours: int
    orientation: int
    turn: int

    def turned(self, size: Size) -> Size:
        """Return a size of the stored pixels as the image is turned."""
        return _turned(size, self.turn)


def _turned(size: Size, turn: int) -> Size:
    return Size(size.width, size.height) if turn >= 5 else size


def read_shape(data: memoryview, *, exif: bool = False) -> RawShape:
    """Return the shape of the pixels in what :func:`pack_pixels` returned.

    Args:
        data: Those bytes.
        exif: Whether the image is turned as its EXIF orientation says.

    Raises:
        ValueError: When it is something else.
    """
    try:
        height, width, colours, orientation = _HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError("its pixels are cut short") from error
    if colours not in _MODES or orientation not in (1, *TURNS):
        raise ValueError(
            f"it is said to have {colours} colours and the orientation {orientation}"
        )
    count = len(data) - RAW_HEAD
    if not count or height * width * colours != count:
        raise ValueError(
            f"its {count} bytes are not {height}x{width} pixels of {colours} colours"
        )
    turn = orientation if exif else 1
    stored, row = Size(height, width), width * colours
    return RawShape(stored, _turned(stored, turn), row, colours, orientation, turn)


class RawImage:
    """Pixels of a copy, used as an :class:`ImageFile` is.

    Args:
        data: What :func:`pack_pixels` returned. It must stay as it is while the image,
            its :meth:`tensor` and views of that are in use: the memory is not copied.
        shape: As :func:`read_shape` found it.

    Attributes:
        size: The size in pixels, as the image is turned.

    Example:
        >>> grey = Image.new("L", (4, 3), 7)
        >>> data = memoryview(pack_pixels(grey, 6))
        >>> copy = RawImage(data, read_shape(data, exif=True))
        >>> print(copy.size, tuple(copy.tensor().shape))
        4x3 (4, 3, 3)
    """

    __slots__ = "_data", "_shape", "size"

    def __init__(self, data: memoryview, shape: RawShape) -> None:
        self._data, self._shape = data, shape
        self.size = shape.size

    def margin(self, reduction: int = 1) -> tuple[float, float]:
        """Return where the image begins in its pixels: (top, left)."""
        assert reduction == 1
        return 0.0, 0.0

    def _image(self) -> Image.Image:
        """Return the image as it is stored."""
        (height, width), mode = self._shape.stored, _MODES[self._shape.colours]
        pixels = np.frombuffer(self._data, np.uint8, offset=RAW_HEAD)
        return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)

    def rgb(self, reduction: int = 1) -> Image.Image:
        """Return the pixels as an RGB image, in memory of its own."""
        assert reduction == 1
        image, turn = self._image(), TURNS.get(self._shape.turn)
        if self._shape.colours == 1:
            image = image.convert("RGB")
        return image if turn is None else image.transpose(turn)

    def tensor(self, reduction: int = 1) -> Tensor:
        """Return the pixels as a uint8 tensor (height, width, 3), to read only.

        It is a view of the memory that was given, and ends the process where that is
        written to or gone. Turned images, which are few, are copied.
        """
        assert reduction == 1
        shape = self._shape
        if shape.turn != 1:
            return torch.from_numpy(np.array(self.rgb()))
        address: int = np.frombuffer(self._data, np.uint8).ctypes.data
        # The three colours of a grey pixel are the same byte.
        strides = shape.row, shape.colours, int(shape.colours > 1)
        return _MEMORY.as_strided((*shape.stored, 3), strides, address + RAW_HEAD - 1)

    def png(self) -> bytes:
        """Return the image as a PNG file, with its EXIF orientation."""
        exif, to = Image.Exif(), io.BytesIO()
        if self._shape.orientation != 1:
            exif[ORIENTATION] = self._shape.orientation
        self._image().save(to, "PNG", exif=exif)
        return to.getvalue()
