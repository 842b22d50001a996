"""Open an image file at the size of the sample that is being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from upsize.loading._context import SampleSize, current_size
from upsize.loading._images._files import REDUCTIONS
from upsize.loading._images._open import ImageSource, open_file
from upsize.loading._kept import KEPT
from upsize.loading._reduction import may_reduce
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio
from upsize.schedule._size import require_whole_number

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["largest_reduction", "open_image"]


def largest_reduction(have: tuple[float, float], need: tuple[int, int]) -> int:
    """Return the most that ``have`` can be reduced by and still cover ``need``.

    Args:
        have: (height, width) in pixels at full decoding.
        need: (height, width) in pixels. Where ``have`` is smaller already: 1.

    Example:
        >>> largest_reduction(have=(375, 500), need=(112, 112))
        2
    """
    (height, width), (down, across) = have, need
    for n in REDUCTIONS[:-1]:
        if n * down <= height and n * across <= width:
            return n
    return 1


def _reduction(image: Size, sample: SampleSize, cover: int | None) -> int:
    """Return what to reduce a JPEG by, see :func:`open_image`."""
    size, full = sample
    if size == full:
        return 1
    if cover is None:
        return largest_reduction(full, size)
    # Sides are rounded up when they are reduced: this is what decides, to the pixel.
    need = max(in_ratio((cover, cover), size, of=full))
    short = min(image)
    return next(n for n in REDUCTIONS if n == 1 or -(-short // n) >= need)


@overload
def open_image(
    path: ImageSource,
    *,
    exif: bool = False,
    cover: int | None = None,
    return_scale: Literal[False] = False,
) -> Image.Image: ...


@overload
def open_image(
    path: ImageSource,
    *,
    exif: bool = False,
    cover: int | None = None,
    return_scale: Literal[True],
) -> tuple[Image.Image, float]: ...


def open_image(
    path: ImageSource,
    *,
    exif: bool = False,
    cover: int | None = None,
    return_scale: bool = False,
) -> Image.Image | tuple[Image.Image, float]:
    """Open an image as RGB; a JPEG no larger than the sample's size needs.

    A drop-in ``loader=`` for torchvision's ``ImageFolder`` and its like. At full size
    and outside of :func:`sized` it gives what their own loader gives, pixel for pixel.
    At a smaller size a JPEG is decoded at 1/2, 1/4 or 1/8 of its sides, whichever is
    the smallest that covers the need. Take :class:`RandomResizedCropDecode` where
    random parts of an image are enlarged.

    Boxes, keypoints and masks of a file are in its pixels. If samples have any, take
    the scale and multiply them. Without ``return_scale``, :func:`sized` notices that
    they are there, and images stay whole. So they do where a transform crops, or counts
    pixels, before the resize.

    Args:
        path: An image file of any kind that Pillow knows; or its bytes, also in an array
            or a tensor of uint8, or an open file, as streams hold them. Grey, palettes, CMYK,
            transparency and more than 8 bits become RGB as by Pillow's ``convert``:
            16 bits are cut off to white, as by ImageFolder's loader.
        exif: Whether to turn it as its EXIF orientation says, which ImageFolder's
            loader does not.
        cover: The side in pixels that the transforms need of the image's shorter one
            at full size: 256 for ``Resize(256)`` and ``CenterCrop(224)``. Then it is
            reduced as long as its shorter side has at least that many, in the ratio of
            the sample's size to the full one. ``None``: not known, so that both sides
            keep at least this ratio to the original's, which enlarges no part of it
            more than at full size.
        return_scale: Whether to return the scale as well, and to reduce the image
            whatever else is in the sample.

    Returns:
        The image in mode "RGB". Its sides are those of the original divided by 1, 2, 4
        or 8 and rounded up; only a JPEG's are divided. With ``return_scale``, the image
        and 1.0, 0.5, 0.25 or 0.125, by which a position in the file is multiplied to
        get that in the image; ``image.info["upsize_scale"]`` has it in any case.

    Raises:
        TypeError: When it is neither a path, nor bytes, nor a file; says what to give.
        OSError: When there is no such file, or it must not be read.
        ValueError: When it is no image, or is damaged, or ``cover`` is no side; names
            the path, or the value.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from upsize.loading import sample_size
        >>> from upsize.schedule import Size
        >>> path = Path(tempfile.mkdtemp()) / "a.jpg"
        >>> Image.new("RGB", (500, 375)).save(path)
        >>> open_image(path).size
        (500, 375)
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     image, scale = open_image(path, return_scale=True)
        >>> image.size, [scale * side for side in (100, 40, 300, 200)]  # and a box
        ((250, 188), [50.0, 20.0, 150.0, 100.0])
    """
    if cover is not None:
        cover = require_whole_number("cover", cover)
    sample = current_size()
    with open_file(path, exif=exif) as file:
        reduction = 1
        if sample is not None and file.reducible:
            reduction = _reduction(file.size, sample, cover)
            if reduction > 1 and not return_scale and not may_reduce():
                reduction = 1
        image = file.rgb(reduction, fast=sample is not None)
    image.info["upsize_scale"] = scale = 1 / reduction
    if reduction > 1:
        KEPT.add(image)
    return (image, scale) if return_scale else image
