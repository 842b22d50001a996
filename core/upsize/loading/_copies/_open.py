"""Open a copy that a store holds: read its header, and check that it is whole."""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

from upsize.loading._copies._raw import RAW_HEAD, RawImage, RawShape, read_shape
from upsize.loading._copies._records import COPY_HEAD, Encoding, unpack_copy
from upsize.loading._copies._serving import Serving
from upsize.loading._images._files import ImageFile
from upsize.schedule import Size

__all__ = ["CopyOpener", "OpenCopy"]

# Distinct headers of raw copies that are remembered.
_MOST_HEADERS = 1 << 14


class OpenCopy(NamedTuple):
    """A copy whose header has been read.

    ``original`` is the size of its original, ``base`` that of the image which samples
    of the full size are cut from; both turned as the copy is.
    """

    file: ImageFile | RawImage
    original: Size
    base: Size


class _Raw(NamedTuple):
    """What raw copies of as many bytes that begin alike have in common."""

    bytes: int
    shape: RawShape
    original: Size
    base: Size


class CopyOpener:
    """Opens the copies of a store.

    What it finds out about a raw copy holds for all of the same header, so it reads each
    header once: there are about as many as sizes of originals.

    Args:
        serving: What the settings of the store say.
    """

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._is_raw = serving.settings.encoding == "raw"
        self._raw: dict[tuple[bytes, Size, bool], _Raw] = {}

    def open(
        self, path: str | PathLike[str], value: memoryview, size: Size, *, exif: bool
    ) -> OpenCopy:
        """Return a copy.

        Args:
            path: That of the original, for the messages.
            value: What the store holds. It must stay until the pixels are read.
            size: Size of the samples that it is for.
            exif: Whether to turn it as its EXIF orientation says.

        Raises:
            ValueError: When it is damaged, or is no copy that there may be.
        """
        if not self._is_raw:
            return self._encoded(path, value, size, exif)
        key = bytes(value[: COPY_HEAD + RAW_HEAD]), size, exif
        raw = self._raw.get(key)
        if raw is None or raw.bytes != len(value):
            raw = self._read_raw(value, size, exif)
            if len(self._raw) == _MOST_HEADERS:
                self._raw.clear()
            self._raw[key] = raw
        return OpenCopy(RawImage(value[COPY_HEAD:], raw.shape), raw.original, raw.base)

    def _read_raw(self, value: memoryview, size: Size, exif: bool) -> _Raw:
        encoding, original, data = unpack_copy(value)
        if encoding is not Encoding.RAW:
            raise ValueError(f"it is {encoding.name} among raw copies")
        shape = read_shape(data, exif=exif)
        base = self._check(shape.stored, original, size)
        return _Raw(len(value), shape, shape.turned(original), shape.turned(base))

    def _encoded(
        self, path: str | PathLike[str], value: memoryview, size: Size, exif: bool
    ) -> OpenCopy:
        encoding, original, data = unpack_copy(value)
        if encoding is Encoding.RAW:
            raise ValueError("it is RAW among jpeg copies")
        label = f"the {size} copy of {path}"
        file = ImageFile(label, data, exif=exif, formats=(encoding.name,))
        base = self._check(file.stored, original, size)
        return OpenCopy(file, file.turned(original), file.turned(base))

    def _check(self, stored: Size, original: Size, size: Size) -> Size:
        """Refuse a copy of a wrong size; return the size of its base."""
        expected = self.serving.expected(original, size)
        if stored != expected.copy:
            raise ValueError(
                f"it has {stored} pixels, which no copy of an original of {original} has"
            )
        return expected.base
