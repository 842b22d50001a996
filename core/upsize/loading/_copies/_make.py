"""Make the copies of an image: decode it, shrink it and encode it again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from upsize.loading._copies._quality import quality_of
from upsize.loading._copies._raw import pack_pixels
from upsize.loading._copies._records import Encoding, pack_copy
from upsize.loading._copies._settings import CopySettings, copy_size
from upsize.loading._images._decode import largest_reduction
from upsize.loading._images._files import FORMATS, ORIENTATION, ImageFile
from upsize.loading._images._folder import Found, LeftOut, open_regular, shown
from upsize.schedule import Size

__all__ = ["Made", "make_copies"]

# LMDB's, which no machine in use has smaller.
_PAGE, _PAGE_HEADER = 4096, 16


@dataclass(frozen=True)
class Made:
    """An image and its copies, as the values that the store keeps, by their sizes.

    There is none for a size that the original is hardly larger than. ``lowered`` says
    whether they have a lower quality than was asked for, as their original has.
    """

    image: Found
    copies: dict[Size, bytes]
    lowered: bool

    @property
    def name(self) -> str:
        """The path of the image."""
        return self.image.name

    @property
    def bytes(self) -> int:
        """How many bytes the copies have."""
        return sum(map(len, self.copies.values()))

    @property
    def disk(self) -> int:
        """How many bytes the store takes for them, about: a copy has pages of its own."""
        pages = (
            -(-(len(copy) + _PAGE_HEADER) // _PAGE) for copy in self.copies.values()
        )
        return _PAGE * sum(pages)


def make_copies(source: Path, settings: CopySettings, image: Found) -> Made | LeftOut:
    """Make all copies of an image; runs in worker processes.

    Returns:
        The copies with the state of the file that was read, which may be newer than
        the one listed; or what is wrong with the image.
    """
    path = source / image.name
    try:
        with open_regular(path) as (opened, state):
            file = ImageFile(shown(path), opened, formats=FORMATS)
            quality = _quality(file, settings)
            copies = {}
            for size in settings.served:
                small = copy_size(file.size, size, settings)
                if small is not None:
                    encoding, data = _encode(file, small, quality)
                    copies[size] = pack_copy(encoding, file.size, data)
            read = Found(image.name, state.st_size, state.st_mtime_ns)
            return Made(read, copies, bool(copies) and quality != settings.quality)
    except ValueError as error:
        return LeftOut(image.name, str(error))
    except Exception as error:  # one odd image must not stop the work on all others
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return LeftOut(image.name, f"{shown(path)}: cannot be copied ({why})")


def _quality(file: ImageFile, settings: CopySettings) -> int | None:
    """Return the quality of JPEG copies of a file, not above its own."""
    own = None if settings.quality is None else quality_of(file.quantization)
    if own is None or settings.quality is None:
        return settings.quality
    return min(own, settings.quality)


def _shrink(file: ImageFile, size: Size) -> Image.Image:
    """Decode an image and shrink it; grey stays grey."""
    reduction = 1
    if file.reducible:
        # Twice as large as the copy, so that the resampling still decides.
        reduction = largest_reduction(file.size, (2 * size.height, 2 * size.width))
    image = file.rgb(reduction)
    if file.grey:
        image = image.convert("L")
    return image.resize((size.width, size.height), Image.Resampling.LANCZOS)


def _encode(file: ImageFile, size: Size, quality: int | None) -> tuple[Encoding, bytes]:
    """Return the copy of an image, which keeps the EXIF orientation.

    Without a quality it is raw. Else the copy of a JPEG is a JPEG; that of any other
    image is a PNG, without loss.
    """
    image = _shrink(file, size)
    if quality is None:
        return Encoding.RAW, pack_pixels(image, file.orientation)
    exif, to = Image.Exif(), io.BytesIO()
    if file.orientation != 1:
        exif[ORIENTATION] = file.orientation
    encoding = Encoding.JPEG if file.reducible else Encoding.PNG
    image.save(to, encoding.name, quality=quality, exif=exif)
    return encoding, to.getvalue()
