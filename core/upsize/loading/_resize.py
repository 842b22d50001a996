"""A whole image, or its centre, that is decoded no larger than it is resized to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upsize.loading._context import current_size
from upsize.loading._images._cut import Crop, Output
from upsize.loading._images._numbers import Numbers
from upsize.loading._images._open import ImageSource
from upsize.loading._load import Load
from upsize.loading._parts import Options, Part, check_options
from upsize.loading._transforms._scale import scaled
from upsize.schedule import Size
from upsize.schedule._size import as_size

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from upsize.loading._context import SampleSize
    from upsize.loading._copies._read import CopyLoader

__all__ = ["ResizeDecode"]


@dataclass(frozen=True)
class ResizeDecode:
    """Load an image resized, and its centre alone: decode no more than it needs.

    A ``loader=`` for ``ImageFolder`` and its like, in the place of their own loader and
    of torchvision's ``Resize`` and ``CenterCrop``, as for validation:
    ``ResizeDecode(256, crop=224)``. A JPEG is decoded at 1/1, 1/2, 1/4 or 1/8 of its
    sides, the smallest that covers the resized image. Where that is 1/1, the result is
    that of ``Resize`` and ``CenterCrop`` to the pixel; else the centre keeps its place
    to a fraction of a pixel.

    Args:
        size: As ``Resize`` takes it, in pixels at full size: (height, width), or the
            shorter side, which keeps the aspect ratio. In :func:`sized` the size of the
            sample in its ratio to the full one, as it is set for ``Resize``.
        crop: The part in the centre that is kept of the resized image: (height, width),
            or one side of a square, at most ``size``. ``None``: all of it.
        interpolation: As for :class:`RandomResizedCropDecode`.
        exif: Whether to turn the image as its EXIF orientation says, which ImageFolder's
            loader does not.
        sharp: Whether to decode enough pixels that no image is enlarged if the original
            has them. ``False``: it may be enlarged as much as at full size.
        copies: Small copies of the images, read where they cover the sample.
        output: "pil", or "tensor", as for :class:`RandomResizedCropDecode`.

    Raises:
        ValueError, TypeError: For a bad field, when it is made.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from upsize.loading import sample_size
        >>> path = Path(tempfile.mkdtemp()) / "a.jpg"
        >>> Image.new("RGB", (500, 375)).save(path)
        >>> ResizeDecode(256)(path).size
        (341, 256)
        >>> load = ResizeDecode(256, crop=224)
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     load(path).size
        (112, 112)
    """

    size: int | tuple[int, int]
    crop: int | tuple[int, int] | None = None
    interpolation: Any = "bilinear"
    exif: bool = False
    sharp: bool = True
    copies: CopyLoader | None = None
    output: Output = "pil"

    def __post_init__(self) -> None:
        sides = as_size(self.size)
        name = check_options(
            self.interpolation, self.copies, self.output, self.exif, sides
        )
        set_field = object.__setattr__
        set_field(self, "size", sides.height if _is_side(self.size) else sides)
        set_field(self, "interpolation", name)
        if self.crop is None:
            return
        crop = as_size(self.crop)
        if crop.height > sides.height or crop.width > sides.width:
            raise ValueError(
                f"crop must be at most size, which is {self.size!r}, not {self.crop!r}: "
                "the rest of it would be black"
            )
        set_field(self, "crop", crop)

    def __call__(self, path: ImageSource) -> Image.Image | Tensor:
        """Return an image file, resized to the sample's size.

        Args:
            path: An image file, its bytes, or an open file, as
                :class:`RandomResizedCropDecode` takes it.

        Raises:
            TypeError: For bytes or an open file with ``copies``; for anything else.
            OSError: When there is no such file, or it must not be read.
            ValueError: When it is no image, or is damaged; names the path.
        """
        return self._at(current_size())(path)

    def _at(self, sample: SampleSize | None, numbers: Numbers | None = None) -> Load:
        """Return what loads the images of samples of a size.

        Args:
            sample: The size of the samples; ``None``: full size.
            numbers: Not needed, as nothing is drawn.
        """
        del numbers
        size, crop = self.size, None if self.crop is None else as_size(self.crop)
        if sample is not None:
            size = scaled(size, "size", *sample)
            crop = None if crop is None else scaled(crop, "size", *sample)

        def choose(image: Size) -> Part:
            resized = _resized(image, size)
            least = (0, 0) if self.sharp else _resized(image, self.size)
            if crop is None:
                return Part(image, Crop(0, 0, *image), resized, image, resized, least)
            centre = _centre(image, resized, crop)
            return Part(image, centre, crop, image, resized, least, resized)

        options = Options(self.interpolation, self.exif, self.copies, self.output)
        known = crop if crop is not None or _is_side(size) else as_size(size)
        return Load(choose, options, sample, known)


def _is_side(size: Any) -> bool:
    """Return whether a size is one side of an image."""
    return not isinstance(size, tuple | list)


def _resized(image: Size, size: int | tuple[int, int]) -> Size:
    """Return the size that torchvision's ``Resize`` gives to an image."""
    if isinstance(size, tuple):
        return Size(*size)
    height, width = image
    if width <= height:
        return Size(int(size * height / width), size)
    return Size(size, int(size * width / height))


def _centre(image: Size, resized: Size, crop: Size) -> Crop:
    """Return the centre of a resized image in pixels of the original."""
    down, across = image.height / resized.height, image.width / resized.width
    top, left = (
        round((side - part) / 2) for side, part in zip(resized, crop, strict=True)
    )
    return Crop(top * down, left * across, crop.height * down, crop.width * across)
