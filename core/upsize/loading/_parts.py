"""Load a part of an image from the smallest pixels that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from upsize.loading._images._cut import (
    FILTERS,
    Crop,
    Cut,
    Output,
    cut,
    cut_centre,
    cut_pixels,
)
from upsize.loading._images._decode import largest_reduction
from upsize.loading._images._open import ImageSource, open_file
from upsize.loading._images._resample import resample
from upsize.loading._later import Later
from upsize.schedule import Size

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from upsize.loading._context import SampleSize
    from upsize.loading._copies._read import CopiesOf, CopyLoader, OpenCopy

__all__ = ["Choose", "Load", "Options", "Part", "check_options"]


class Part(NamedTuple):
    """What a sample shows of an image.

    Attributes:
        crop: The part, in pixels of the original.
        size: The size that it is resampled to.
        have: (height, width) of what must cover ``need``, in pixels of the original.
        need: What it must cover.
        least: (height, width) that it counts as where it is smaller.
        whole: Where the part is the centre of the resized image: its size.
    """

    crop: Crop
    size: Size
    have: tuple[float, float]
    need: tuple[int, int]
    least: tuple[int, int] = (0, 0)
    whole: Size | None = None

    def counted(self, down: float = 1.0, across: float = 1.0) -> tuple[float, float]:
        """Return the (height, width) that counts in an image.

        Args:
            down: Height of the image, as a share of the original's.
            across: The same of its width.
        """
        (height, width), (least_height, least_width) = self.have, self.least
        return max(down * height, least_height), max(across * width, least_width)


#: Chooses the part of an image by the size of the image.
Choose: TypeAlias = Callable[[Size], Part]


class Options(NamedTuple):
    """The fields that loaders of parts have in common."""

    interpolation: str
    exif: bool
    copies: CopyLoader | None
    output: Output


def check_options(interpolation: Any, copies: Any, output: Any) -> str:
    """Refuse bad options; return the name of the interpolation."""
    name = str(getattr(interpolation, "value", interpolation))
    if output not in FILTERS:
        raise ValueError(f"output must be 'pil' or 'tensor', not {output!r}")
    if name not in FILTERS[output]:
        raise ValueError(
            f"interpolation must be one of {', '.join(FILTERS[output])} for "
            f"output={output!r}, not {interpolation!r}"
        )
    if copies is not None:
        # Who reads no copies needs no LMDB.
        from upsize.loading._copies._read import CopyLoader

        if not isinstance(copies, CopyLoader):
            raise TypeError(f"copies must be a CopyLoader, not {copies!r}")
    return name


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
            later: When to fill ``out`` from pixels that need no decoding; ``None``: now.
        """
        choose, options = self.choose, self.options
        part = original = None
        if copies_of is not None:
            found = copies_of(_path(source))
            part, original, image = self._from_copy(source, found, out, later)
            if image is not None:
                return image
        with open_file(source, exif=options.exif) as file:
            size = file.size
            if part is None or original != size:
                if part is not None:
                    self._warn_unused(
                        source,
                        f"it is of {original} pixels, and the image of {size}",
                    )
                part = choose(size)
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

    def _from_copy(
        self,
        source: ImageSource,
        copies: Iterator[OpenCopy],
        out: Tensor | None,
        later: Later | None,
    ) -> tuple[Part | None, Size | None, Image.Image | Tensor | None]:
        """Return the part, once chosen, of which size, and its pixels if a copy covers it."""
        part = original = None
        for pixels, size, base in copies:
            if part is None or original is None or size != original:
                part, original = self.choose(size), size
            if pixels.size == base or _covers(pixels.size, part, size, base):
                height, width = pixels.size
                share = height / original.height, width / original.width
                how = self._how(part)
                if later is not None and out is not None and pixels.ready:
                    planes = cut_pixels(pixels, part.crop, share)
                    later.do(resample, planes, how.size, how.interpolation, out)
                    return part, original, out
                try:
                    return part, original, cut(pixels, part.crop, share, how, 1, out)
                except ValueError as error:
                    self._warn_unused(source, error)
        return part, original, None

    def _how(self, part: Part) -> Cut:
        return Cut(part.size, self.options.interpolation, self.options.output)


def _covers(copy: Size, part: Part, original: Size, base: Size) -> bool:
    """Return whether a copy has as many pixels of a part as its base, or enough."""
    height, width = part.counted(
        base.height / original.height, base.width / original.width
    )
    down, across = part.need
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
