"""Load a part of an image from the smallest pixels that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from upsize.loading._copies._raw import RawImage
from upsize.loading._images._cut import Cut, Pixels, cut, cut_centre, cut_pixels
from upsize.loading._images._decode import largest_reduction
from upsize.loading._images._files import ImageFile
from upsize.loading._images._open import ImageSource, open_file
from upsize.loading._images._resample import resample
from upsize.loading._later import Later
from upsize.loading._parts import Choose, Options, Part
from upsize.schedule import Size

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from upsize.loading._context import SampleSize
    from upsize.loading._copies._open import OpenCopy
    from upsize.loading._copies._read import CopiesOf

__all__ = ["Load"]


class Load(NamedTuple):
    """Loads parts of images for samples of one size.

    Args:
        choose: Chooses the part; called again where an image turns out to have another
            size than its copy says.
        options: How it is loaded.
        sample: The size of the samples; ``None``: full size.
        size: The size of what is made; ``None``: it depends on the image.
    """

    choose: Choose
    options: Options
    sample: SampleSize | None
    size: Size | None

    def __call__(self, source: ImageSource) -> Image.Image | Tensor:
        """Return a part of an image, from a copy where one covers it.

        Args:
            source: An image file, its bytes, or an open file.

        Raises:
            TypeError, OSError, ValueError: As the loaders say.
        """
        with self.reading() as copies_of:
            return self.load(source, copies_of)

    def reading(self) -> AbstractContextManager[CopiesOf | None]:
        """Open what finds the copies of images, for :meth:`load`; ``None``: there are none."""
        copies, sample = self.options.copies, self.sample
        if copies is None or (sample is None and not copies.full_copy):
            return nullcontext()
        return copies.reading(sample, exif=self.options.exif)

    def load(
        self,
        source: ImageSource,
        copies_of: CopiesOf | None,
        out: Tensor | None = None,
        later: Later | None = None,
    ) -> Image.Image | Tensor:
        """Return a part of an image.

        Args:
            source: As above.
            copies_of: What :meth:`reading` gave.
            out: A tensor (1, 3, height, width) to fill, as a place in a batch; ``None``:
                a new one.
            later: When to fill ``out``; ``None``: now. What a copy is read for waits
                inside of :meth:`reading`.
        """
        copies = iter(()) if copies_of is None else copies_of(_path(source))
        return self._next(source, copies, None, out, later)

    def _next(
        self,
        source: ImageSource,
        copies: Iterator[OpenCopy],
        part: Part | None,
        out: Tensor | None,
        later: Later | None,
    ) -> Image.Image | Tensor:
        """Return a part, ``None``: yet to be chosen, of the next copy that covers it."""
        for pixels, original, base in copies:
            if part is None or part.original != original:
                part = self.choose(original)
            have = pixels.size
            if not (have == base or _covers(have, part, base)):
                continue
            share = have.height / original.height, have.width / original.width
            if later is None or out is None:
                return self._cut_copy(source, copies, pixels, part, share, out)
            if isinstance(pixels, RawImage):  # nothing to decode, which could fail
                planes = cut_pixels(pixels, part.crop, share)
                name = self.options.interpolation
                later.do(resample, planes, part.size, name, out)
            else:
                later.do(self._cut_copy, source, copies, pixels, part, share, out)
            return out
        return self._from_file(source, part, out, later)

    def _cut_copy(
        self,
        source: ImageSource,
        copies: Iterator[OpenCopy],
        pixels: Pixels,
        part: Part,
        share: tuple[float, float],
        out: Tensor | None,
    ) -> Image.Image | Tensor:
        try:
            return cut(pixels, part.crop, share, self._how(part), 1, out)
        except ValueError as error:
            self._warn_unused(source, error)
        return self._next(source, copies, part, out, None)

    def _from_file(
        self,
        source: ImageSource,
        part: Part | None,
        out: Tensor | None,
        later: Later | None,
    ) -> Image.Image | Tensor:
        with open_file(source, exif=self.options.exif) as file:
            size = file.size
            if part is None or part.original != size:
                if part is not None:
                    self._warn_unused(
                        source,
                        f"it is of {part.original} pixels, and the image of {size}",
                    )
                part = self.choose(size)
            if later is None or out is None or file.held is None:
                return self._cut_file(file, part, out)
            later.do(self._cut_file, file, part, out, held=file.held)
            return out

    def _cut_file(
        self, file: ImageFile, part: Part, out: Tensor | None
    ) -> Image.Image | Tensor:
        reduction = 1
        if file.reducible:
            reduction = largest_reduction(part.counted(), part.need)
        how = self._how(part)
        if reduction == 1 and part.whole is not None:
            return cut_centre(file, part.whole, how, out)
        share = 1 / reduction, 1 / reduction
        return cut(file, part.crop, share, how, reduction, out)

    def _warn_unused(self, source: ImageSource, why: object) -> None:
        assert self.options.copies is not None
        self.options.copies.warn_unused(_path(source), why)

    def _how(self, part: Part) -> Cut:
        return Cut(part.size, self.options.interpolation, self.options.output)


def _covers(copy: Size, part: Part, base: Size) -> bool:
    """Return whether a copy has as many pixels of a part as its base, or enough."""
    original, (down, across) = part.original, part.need
    height, width = part.counted(
        base.height / original.height, base.width / original.width
    )
    return (
        copy.height * height >= down * base.height
        and copy.width * width >= across * base.width
    )


def _path(source: ImageSource) -> str | PathLike[str]:
    if isinstance(source, str | PathLike):
        return source
    raise TypeError(
        "copies are found by the path of their image: give the loader a path, not a "
        f"{type(source).__name__}, or leave out copies"
    )
