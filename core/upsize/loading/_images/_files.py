"""Image files: the header, and the pixels at a fraction of the size."""

from __future__ import annotations

import io
from functools import cached_property
from os import PathLike
from typing import IO, TYPE_CHECKING

import torch
from torch import Tensor

from upsize._extras import require
from upsize.schedule import Size

require("PIL.Image", "jpeg", "Image files")

from PIL import Image, UnidentifiedImageError

from upsize.loading._images import _jpeg

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FORMATS",
    "ORIENTATION",
    "REDUCTIONS",
    "SUFFIXES",
    "TURNS",
    "ImageFile",
    "unreadable",
]

#: Names of the image files in a folder: those of torchvision's ImageFolder, and .jpe,
#: .jfif, .pnm and .gif. Pillow reads more, but some formats are no photographs, and
#: some start other programs.
SUFFIXES = frozenset(
    (
        ".jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp" + " .jpe .jfif .pnm .gif"
    ).split()
)
#: What Pillow may find in a file of such a name, whatever the name says.
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")

#: What a JPEG can be reduced by while it is decoded, the largest first. Decoders have
#: fast paths for these alone: libjpeg-turbo's other eighths take as long as twice or
#: even longer than the full size does.
REDUCTIONS = (8, 4, 2, 1)

ORIENTATION = 0x0112  # the tag of EXIF
#: What turns an image of each orientation but 1.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def unreadable(path: str | PathLike[str], error: Exception) -> ValueError:
    """Return the error of a file that cannot be decoded, which names it."""
    # Pillow's own words name the object that reads the file.
    unknown = isinstance(error, UnidentifiedImageError)
    why = "its format is not known" if unknown else error
    return ValueError(
        f"{path}: cannot be read as an image ({why}): it must be a whole file of a "
        "kind that Pillow knows; repair it, or take it out of the data"
    )


class ImageFile:
    """An image of which only the header has been read.

    Args:
        path: For the messages.
        source: A file open for reading bytes, or the bytes themselves, which must stay
            as they are until the pixels are decoded.
        exif: Whether to turn the image as its EXIF orientation says.
        formats: The formats that Pillow may find in it; ``None``: all that it knows.

    Attributes:
        stored: The size in pixels, before it is turned.

    Raises:
        ValueError: When it is not an image; names the path.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        source: IO[bytes] | memoryview,
        *,
        exif: bool = False,
        formats: tuple[str, ...] | None = None,
    ) -> None:
        self._path, self._formats = path, formats
        self._data: bytes | memoryview
        if isinstance(source, memoryview):
            self._file, self._data = None, source
        else:
            # A JPEG is read as a whole; Pillow reads what it needs of other files.
            self._file, self._data = source, source.read(2)
            if self._data == b"\xff\xd8":
                self._data += source.read()
        jpeg = formats is None or "JPEG" in formats
        self._header = _jpeg.header(self._data) if jpeg else None
        self.stored = self._header or Size(self._image.height, self._image.width)
        self._turn = self.orientation if exif else 1

    @cached_property
    def _image(self) -> Image.Image:
        if self._file is None:
            file: IO[bytes] = io.BytesIO(self._data)
        else:
            file = self._file
            file.seek(0)
        try:
            return Image.open(file, formats=self._formats)
        except Exception as error:  # Pillow's decoders raise errors of every kind
            raise unreadable(self._path, error) from error

    @property
    def held(self) -> int | None:
        """The bytes that it holds; ``None``: its file must be open for more."""
        return len(self._data) if self._file is None else None

    @property
    def size(self) -> Size:
        """The size in pixels, as the image is turned."""
        return self.turned(self.stored)

    def turned(self, size: Size) -> Size:
        """Return a size of the stored pixels as the image is turned."""
        return Size(size.width, size.height) if self._turn >= 5 else size

    def margin(self, reduction: int) -> tuple[float, float]:
        """Return where the image begins in the decoded pixels: (top, left).

        Sides are rounded up when they are reduced. The rest of a pixel is at the right
        and at the bottom as it is stored, and may be turned to the other side.
        """
        height, width = self.size
        top = -height % reduction if self._turn in (3, 4, 7, 8) else 0
        left = -width % reduction if self._turn in (2, 3, 6, 7) else 0
        return top / reduction, left / reduction

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8; 1 where there is none, or no such one."""
        image = self._image
        try:
            number = image.getexif().get(ORIENTATION, 1)
        except Exception as error:
            raise unreadable(self._path, error) from error
        return number if number in TURNS else 1

    @property
    def reducible(self) -> bool:
        """Whether it can be reduced while it is decoded: a JPEG."""
        return self._header is not None or self._image.format in ("JPEG", "MPO")

    @property
    def grey(self) -> bool:
        """Whether its pixels have one colour of 8 bits."""
        return self._image.mode == "L"

    @property
    def quantization(self) -> dict[int, list[int]]:
        """The quantisation tables of a JPEG, by number; none for other files."""
        tables: dict[int, list[int]] = getattr(self._image, "quantization", {})
        return tables

    def rgb(self, reduction: int = 1, *, fast: bool = True) -> Image.Image:
        """Decode the pixels, as Pillow's ``convert("RGB")`` gives them.

        Args:
            reduction: One of :data:`REDUCTIONS`; the sides are divided by it and
                rounded up. Only 1 for what is not ``reducible``.
            fast: Whether simplejpeg may decode, where it is installed: the same
                libjpeg-turbo with the same pixels in less time.

        Raises:
            ValueError: When the file is damaged; names the path.
        """
        pixels = self._pixels(reduction) if fast else None
        image = self._pillow(reduction) if pixels is None else Image.fromarray(pixels)
        turn = TURNS.get(self._turn)
        return image if turn is None else image.transpose(turn)

    def tensor(self, reduction: int = 1) -> Tensor:
        """Decode the pixels of :meth:`rgb` to a uint8 tensor (height, width, 3)."""
        pixels = self._pixels(reduction) if self._turn == 1 else None
        if pixels is not None:
            return torch.from_numpy(pixels)
        image = self.rgb(reduction)
        flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return flat.view(image.height, image.width, 3)

    def _pixels(self, reduction: int) -> NDArray[np.uint8] | None:
        """Decode with simplejpeg; ``None``: a case for Pillow."""
        if self._header is None:
            return None
        return _jpeg.decode(self._data, self._header, reduction)

    def _pillow(self, reduction: int) -> Image.Image:
        image = self._image
        try:
            if reduction > 1:
                height, width = self.stored
                image.draft(
                    None, (max(1, width // reduction), max(1, height // reduction))
                )
            return image.convert("RGB")
        except Exception as error:  # Pillow's decoders raise errors of every kind
            raise unreadable(self._path, error) from error
