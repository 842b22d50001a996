"""A random crop that is drawn before the image is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upsize.loading._context import current_size
from upsize.loading._images._cut import Output
from upsize.loading._images._draw import draw_crop
from upsize.loading._images._numbers import Numbers
from upsize.loading._images._open import ImageSource
from upsize.loading._load import Load
from upsize.loading._parts import Options, Part, check_options
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio
from upsize.schedule._size import as_size

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from upsize.loading._context import SampleSize
    from upsize.loading._copies._read import CopyLoader

__all__ = ["RandomResizedCropDecode"]


def _bounds(name: str, value: Any, most: float) -> tuple[float, float]:
    """Check a range of positive numbers."""
    try:
        low, high = map(float, value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 < low <= high <= most or math.isinf(high):
        allowed = "above 0" if math.isinf(most) else f"above 0 and up to {most:g}"
        raise ValueError(
            f"{name} must be the least and the most, numbers {allowed}, as (0.08, 1.0), "
            f"not {value!r}"
        )
    return low, high


@dataclass(frozen=True)
class RandomResizedCropDecode:
    """Load a random crop: draw it first, then decode no more than it needs.

    A ``loader=`` for ``ImageFolder`` and its like, in the place of their own loader and
    of torchvision's ``RandomResizedCrop``: from a path to an image that has the size of
    the sample. The crop is drawn from the image's header with torch's random numbers,
    the same crop as torchvision draws. Then a JPEG is decoded at 1/1, 1/2, 1/4 or 1/8
    of its sides, the smallest whose crop covers the size. Where that is 1/1, the result
    is that of ``RandomResizedCrop`` to the pixel; else the crop keeps its place to a
    fraction of a pixel.

    Args:
        size: Full size in pixels: (height, width), or one side of a square. In
            :func:`sized` the sample's size, in its ratio to the full one.
        scale: Least and most share of the image's area.
        ratio: Least and most aspect ratio, width / height.
        interpolation: "nearest", "box", "bilinear", "hamming", "bicubic" or "lanczos",
            or torchvision's ``InterpolationMode`` of these.
        exif: Whether to turn the image as its EXIF orientation says, which ImageFolder's
            loader does not.
        sharp: Whether to decode enough pixels that no crop is enlarged if the original
            has them. ``False``: a small sample may be enlarged as much as the same crop
            is at full size, so half the size decodes everything at half its sides.
        copies: Small copies of the images, read where they cover the crop.
        output: "pil", or "tensor": a uint8 tensor (3, height, width), made in less time
            by torch's resampling, "bilinear" or "bicubic". A crop of 1/1 is that of
            torchvision's ``v2`` from a tensor; others begin at a whole pixel of what is
            decoded. In :func:`sized`, a folder with no other transforms than
            torchvision's flip, conversions and normalisation is loaded a batch at a
            time, with the same samples; a batch of bytes is then in channels_last order.

    Raises:
        ValueError, TypeError: For a bad field, when it is made.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from upsize.loading import sample_size
        >>> path = Path(tempfile.mkdtemp()) / "a.jpg"
        >>> Image.new("RGB", (500, 375)).save(path)
        >>> load = RandomResizedCropDecode(224)
        >>> load(path).size
        (224, 224)
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     load(path).size
        (112, 112)
    """

    size: int | tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Any = "bilinear"
    exif: bool = False
    sharp: bool = True
    copies: CopyLoader | None = None
    output: Output = "pil"

    def __post_init__(self) -> None:
        size = as_size(self.size)
        name = check_options(
            self.interpolation, self.copies, self.output, self.exif, size
        )
        set_field = object.__setattr__
        set_field(self, "size", size)
        set_field(self, "scale", _bounds("scale", self.scale, 1.0))
        set_field(self, "ratio", _bounds("ratio", self.ratio, math.inf))
        set_field(self, "interpolation", name)

    def __call__(self, path: ImageSource) -> Image.Image | Tensor:
        """Return a random crop of an image file, resized to the sample's size.

        Args:
            path: An image file of any kind that Pillow knows; see :func:`open_image`
                for those that are not RGB. Or its bytes or an open file, as that takes
                them, but not with ``copies``, which are found by the path.

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
            numbers: Draw the crops; ``None``: one by one.
        """
        full = as_size(self.size)
        size = full if sample is None else in_ratio(full, sample.size, of=sample.full)

        def choose(image: Size) -> Part:
            crop = draw_crop(image, self.scale, self.ratio, numbers)
            least = (0, 0) if self.sharp else full
            return Part(image, crop, size, (crop.height, crop.width), size, least)

        options = Options(self.interpolation, self.exif, self.copies, self.output)
        return Load(choose, options, sample, size)
