"""Headers of raw copies are read once, and trusted for no other bytes than those."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from upsize.loading._copies import _open
from upsize.loading._copies._open import CopyOpener
from upsize.loading._copies._raw import pack_pixels
from upsize.loading._copies._records import Encoding, pack_copy
from upsize.loading._copies._serving import Serving
from upsize.loading._copies._settings import CopySettings
from upsize.schedule import Size

SMALL, FULL = Size(4, 4), Size(8, 8)


SERVING = Serving(CopySettings((SMALL,), FULL, 1.0, None, "raw"))


@pytest.fixture
def opener() -> CopyOpener:
    return CopyOpener(SERVING)


def image(width: int, colour: str) -> Image.Image:
    """The copy of an image of so many columns."""
    size = SERVING.expected(Size(16, width), SMALL).copy
    assert size is not None
    return Image.new("RGB", (size.width, size.height), colour)


def value(width: int, colour: str) -> bytes:
    pixels = pack_pixels(image(width, colour), 6)
    return pack_copy(Encoding.RAW, Size(16, width), pixels)


def check(opener: CopyOpener, width: int, colour: str, *, exif: bool = False) -> None:
    copy = opener.open("a", memoryview(value(width, colour)), SMALL, exif=exif)
    expected = np.asarray(image(width, colour))
    turned = expected.transpose(1, 0, 2) if exif else expected
    assert np.array_equal(np.asarray(copy.file.rgb()), turned)
    assert copy.original == (Size(width, 16) if exif else Size(16, width))


def test_a_header_is_read_once(
    opener: CopyOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for exif in (False, True):
        check(opener, 20, "red", exif=exif)
    monkeypatch.setattr(_open, "unpack_copy", None)
    for exif in (False, True):
        check(opener, 20, "blue", exif=exif)
    with pytest.raises(TypeError):
        check(opener, 30, "blue")


@pytest.mark.parametrize("more", [-1, 1, -24])
def test_copies_of_a_known_header_must_be_whole(opener: CopyOpener, more: int) -> None:
    check(opener, 20, "red")
    whole = value(20, "red")
    data = whole[:more] if more < 0 else whole + bytes(more)
    with pytest.raises(ValueError, match=r"it has \d+ bytes instead of \d+"):
        opener.open("a", memoryview(data), SMALL, exif=False)
    check(opener, 20, "blue")


def test_only_so_many_are_remembered(
    opener: CopyOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_open, "_MOST_HEADERS", 2)
    for width in (20, 30, 40, 20, 50):
        check(opener, width, "red")
        assert len(opener._raw) <= 2
