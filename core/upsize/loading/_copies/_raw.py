"""Copies whose pixels are not encoded: written, and read where they lie."""

from __future__ import annotations

import ctypes
import io
import struct
import sys
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from upsize.loading._images._files import ORIENTATION, TURNS
from upsize.schedule import Size

__all__ = ["RawImage", "pack_pixels"]

# Height, width, colours and the EXIF orientation.
_HEAD = struct.Struct("<IIBB")
_MODES = {1: "L", 3: "RGB"}
# All memory from an address on, as a type for each length takes long to make, and stays.
_MEMORY = ctypes.c_ubyte * sys.maxsize


def pack_pixels(image: Image.Image, orientation: int) -> bytes:
    """Return the pixels of an image, grey or RGB, and their shape."""
    head = _HEAD.pack(*reversed(image.size), len(image.getbands()), orientation)
    return head + image.tobytes()


@lru_cache(1 << 14)
def _shape(head: bytes) -> tuple[Size, int, int]:
    """Return the size, the colours and the EXIF orientation of pixels."""
    try:
        height, width, colours, orientation = _HEAD.unpack(head)
    except struct.error as error:
        raise ValueError("its pixels are cut short") from error
    if colours not in _MODES or orientation not in (1, *TURNS):
        raise ValueError(
            f"it is said to have {colours} colours and the orientation {orientation}"
        )
    return Size(height, width), colours, orientation


class RawImage:
    """Pixels of a copy, used as an :class:`ImageFile` is.

    Args:
        data: What :func:`pack_pixels` returned. It must stay as it is while the image
            and its :meth:`tensor` are in use: the memory is not copied.
        exif: Whether to turn the image as its EXIF orientation says.

    Attributes:
        stored: The size in pixels, before it is turned.
        ready: ``True``: there is nothing to decode, which could fail.

    Raises:
        ValueError: When it is something else.

    Example:
        >>> grey = Image.new("L", (4, 3), 7)
        >>> copy = RawImage(memoryview(pack_pixels(grey, 6)), exif=True)
        >>> print(copy.stored, copy.size, tuple(copy.tensor().shape))
        3x4 4x3 (4, 3, 3)
    """

    ready = True

    def __init__(self, data: memoryview, *, exif: bool = False) -> None:
        self.stored, self._colours, self.orientation = _shape(bytes(data[: _HEAD.size]))
        self._pixels = data[_HEAD.size :]
        (height, width), count = self.stored, len(self._pixels)
        if not count or height * width * self._colours != count:
            raise ValueError(
                f"its {count} bytes are not {height}x{width} pixels of "
                f"{self._colours} colours"
            )
        self._turn = self.orientation if exif else 1

    @property
    def size(self) -> Size:
        """The size in pixels, as the image is turned."""
        return self.turned(self.stored)

    def turned(self, size: Size) -> Size:
        """Return a size of the stored pixels as the image is turned."""
        return Size(size.width, size.height) if self._turn >= 5 else size

    def margin(self, reduction: int = 1) -> tuple[float, float]:
        """Return where the image begins in its pixels: (top, left)."""
        assert reduction == 1
        return 0.0, 0.0

    def _image(self) -> Image.Image:
        """Return the image as it is stored."""
        mode = _MODES[self._colours]
        sides = self.stored.width, self.stored.height
        pixels = np.frombuffer(self._pixels, np.uint8)
        return Image.frombuffer(mode, sides, pixels, "raw", mode, 0, 1)

    def rgb(self, reduction: int = 1) -> Image.Image:
        """Return the pixels as an RGB image, in memory of its own."""
        assert reduction == 1
        image, turn = self._image(), TURNS.get(self._turn)
        if self._colours == 1:
            image = image.convert("RGB")
        return image if turn is None else image.transpose(turn)

    def tensor(self, reduction: int = 1) -> Tensor:
        """Return the pixels as a uint8 tensor (height, width, 3), to read only.

        It is a view of the memory that was given, and ends the process where that is
        written to or gone. Turned images, which are few, are copied.
        """
        assert reduction == 1
        if self._turn != 1:
            return torch.from_numpy(np.array(self.rgb()))
        # Not torch.frombuffer of the data itself, which warns of memory that is only
        # to be read, once for all in the process.
        address = np.frombuffer(self._pixels, np.uint8).ctypes.data
        bytes_: Any = _MEMORY.from_address(address)
        flat = torch.frombuffer(bytes_, dtype=torch.uint8, count=len(self._pixels))
        (height, width), colours = self.stored, self._colours
        # The three colours of a grey pixel are the same byte.
        strides = width * colours, colours, int(colours > 1)
        return flat.as_strided((height, width, 3), strides)

    def png(self) -> bytes:
        """Return the image as a PNG file, with its EXIF orientation."""
        exif, to = Image.Exif(), io.BytesIO()
        if self.orientation != 1:
            exif[ORIENTATION] = self.orientation
        self._image().save(to, "PNG", exif=exif)
        return to.getvalue()
