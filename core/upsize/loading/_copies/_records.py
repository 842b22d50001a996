"""The keys and values of a store, written and read strictly: data, and never a path."""

from __future__ import annotations

import hashlib
import os
import struct
from enum import IntEnum
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from upsize.loading._copies._settings import STRICT, CopySettings
from upsize.loading._images._folder import Found
from upsize.schedule import Size

__all__ = [
    "COPY_HEAD",
    "HEADER",
    "IMAGE",
    "Copy",
    "Encoding",
    "copy_key",
    "image_key",
    "pack_copy",
    "pack_header",
    "pack_image",
    "unpack_copy",
    "unpack_header",
    "unpack_image",
]

#: The key of the header, and what the keys of images begin with.
HEADER, IMAGE = b"upsize", b"i"
_COPY = b"c"
_SIZE = struct.Struct(">II")
_STATE = struct.Struct("<Qq")
_ORIGINAL = struct.Struct("<BII")
# The number of bytes, as LMDB believes what a damaged page says of it.
_COUNT = struct.Struct("<I")
#: Bytes before the data of a copy.
COPY_HEAD = _ORIGINAL.size + _COUNT.size
# LMDB's keys have up to 511 bytes.
_LONGEST_NAME = 480
_LONGEST_HEADER, _LONGEST_IMAGE = 65_536, 8192


class Encoding(IntEnum):
    """How the pixels of a copy are encoded: as Pillow spells a format, or RAW."""

    JPEG = 1
    PNG = 2
    RAW = 3


class Copy(NamedTuple):
    """A copy, and the size of the image that it was made of."""

    encoding: Encoding
    original: Size
    data: memoryview


@dataclass(frozen=True, config=STRICT)
class _Header:
    """What the store of each version begins with: the version, and its settings."""

    format: Literal[2]
    settings: CopySettings


_HEADER = TypeAdapter(_Header)


def pack_header(settings: CopySettings) -> bytes:
    """Return the header of a store."""
    return _HEADER.dump_json(_Header(2, settings))


def unpack_header(value: bytes | memoryview) -> CopySettings:
    """Return the settings of a store.

    Raises:
        ValueError: When this version of upsize did not write the header.

    Example:
        >>> settings = CopySettings((Size(112, 112),), Size(224, 224), 0.08, 90)
        >>> unpack_header(pack_header(settings)) == settings
        True
    """
    if len(value) > _LONGEST_HEADER:
        raise ValueError(f"its header has {len(value)} bytes")
    try:
        return _HEADER.validate_json(bytes(value)).settings
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"its header is not understood: {where}: {first['msg']}"
        ) from None


def _identity(name: str) -> bytes:
    """Return a name as a part of a key: its bytes, or their hash if they are many."""
    path = os.fsencode(name)
    if len(path) <= _LONGEST_NAME:
        return path
    return b"\0" + hashlib.sha256(path).digest()  # no path begins so


def image_key(name: str) -> bytes:
    """Return the key of an image's state."""
    return IMAGE + _identity(name)


def copy_key(size: Size, name: str) -> bytes:
    """Return the key of an image's copy for samples of a size."""
    return _prefix(size) + _identity(name)


@lru_cache
def _prefix(size: Size) -> bytes:
    return _COPY + _SIZE.pack(*size)


def pack_image(image: Found) -> bytes:
    """Return the value of an image: its state and its name."""
    return _STATE.pack(image.bytes, image.changed) + os.fsencode(image.name)


def unpack_image(key: bytes | memoryview, value: bytes | memoryview) -> Found:
    """Return an image.

    Raises:
        ValueError: When upsize did not write the value.

    Example:
        >>> image = Found("cat/a.jpg", bytes=1000, changed=5)
        >>> unpack_image(image_key("cat/a.jpg"), pack_image(image)) == image
        True
    """
    if len(value) > _LONGEST_IMAGE:
        raise ValueError(f"the record of an image has {len(value)} bytes")
    name = os.fsdecode(bytes(value[_STATE.size :]))
    if not name or image_key(name) != key:
        raise ValueError("it holds an image with the name of another")
    return Found(name, *_STATE.unpack_from(value))


def pack_copy(encoding: Encoding, original: Size, data: bytes) -> bytes:
    """Return the value of a copy."""
    return _ORIGINAL.pack(encoding, *original) + _COUNT.pack(len(data)) + data


def unpack_copy(value: memoryview) -> Copy:
    """Return a copy; its bytes are those of the value, not copied.

    Raises:
        ValueError: When upsize did not write the value.

    Example:
        >>> value = pack_copy(Encoding.PNG, Size(30, 40), b"...")
        >>> unpack_copy(memoryview(value))[:2]
        (<Encoding.PNG: 2>, Size(height=30, width=40))
    """
    encoding, original = _original(bytes(value[: _ORIGINAL.size]))
    count = int.from_bytes(value[_ORIGINAL.size : COPY_HEAD], "little")
    if len(value) != COPY_HEAD + count:
        raise ValueError(f"it has {len(value) - COPY_HEAD} bytes instead of {count}")
    return Copy(encoding, original, value[COPY_HEAD:])


@lru_cache(1 << 14)
def _original(head: bytes) -> tuple[Encoding, Size]:
    """Return the encoding of a copy, and the size of its original."""
    try:
        encoding, height, width = _ORIGINAL.unpack(head)
        kind = Encoding(encoding)
    except (struct.error, ValueError) as error:
        raise ValueError("its record is not understood") from error
    if not height or not width:
        raise ValueError(f"its original is said to be {height}x{width}")
    return kind, Size(height, width)
