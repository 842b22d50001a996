"""Which small copies of images to make, and how large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from upsize.loading._copies._chosen import sizes_of
from upsize.schedule import Plan, Size
from upsize.schedule._size import as_size, require_whole_number

__all__ = [
    "STRICT",
    "CopyEncoding",
    "CopySettings",
    "base_size",
    "copy_settings",
    "copy_size",
]

CopyEncoding: TypeAlias = Literal["jpeg", "raw"]

#: For what is read from a store: types are not converted, and no field is new.
STRICT = ConfigDict(strict=True, extra="forbid")

# The flattest or steepest crop that RandomResizedCrop draws: height to width, 3 to 4.
_LEAST_RATIO = 3 / 4
# A copy with more of the original's pixels than this saves less than it takes on disk.
_MOST_PIXELS = 0.75
_QUALITY = 90
_LONGEST_SIDE, _MOST_SIZES = 65_536, 100


def _bounded(size: Size) -> Size:
    if not all(1 <= side <= _LONGEST_SIDE for side in size):
        raise ValueError(f"sides must be from 1 to {_LONGEST_SIDE} pixels, not {size}")
    return size


_Size: TypeAlias = Annotated[Size, AfterValidator(_bounded)]


@dataclass(frozen=True, config=STRICT)
class CopySettings:
    """What all copies in a store have in common.

    Args:
        sizes: Sizes of samples to make a copy for, the smallest first.
        full: The full size.
        least_scale: Least share of an image's area that a crop takes.
        quality: Highest quality of JPEG, 1 to 95; ``None`` for raw copies.
        encoding: "jpeg", or "raw".
        full_copy: Shorter side in pixels of the copies that take the place of the
            originals; ``None``: there are none.
    """

    sizes: Annotated[tuple[_Size, ...], Field(max_length=_MOST_SIZES)]
    full: _Size
    least_scale: Annotated[float, Field(gt=0, le=1)]
    quality: Annotated[int, Field(ge=1, le=95)] | None
    encoding: CopyEncoding = "jpeg"
    full_copy: Annotated[int, Field(ge=1, le=_LONGEST_SIDE)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.served:
            raise ValueError("there must be at least one size")
        if (self.quality is None) != (self.encoding == "raw"):
            raise ValueError("JPEG copies have a quality, and raw ones have none")
        return self

    @property
    def served(self) -> tuple[Size, ...]:
        """The sizes of samples that there are copies for, the full one included."""
        return self.sizes if self.full_copy is None else (*self.sizes, self.full)


def base_size(image: Size, settings: CopySettings) -> Size:
    """Return the size that samples of the full size are cut from.

    It is the original's, or that of the copy which takes its place: ``full_copy`` says
    how long its shorter side is, unless the original's is shorter.

    Example:
        >>> settings = CopySettings((), Size(224, 224), 0.08, 90, full_copy=256)
        >>> print(base_size(Size(375, 500), settings))
        256x342
        >>> print(base_size(Size(150, 200), settings))
        150x200
    """
    short, full_copy = min(image), settings.full_copy
    if full_copy is None or short <= full_copy:
        return image
    copy = Size(*(-(-side * full_copy // short) for side in image))
    if settings.encoding == "jpeg" and _saves_little(copy, image):
        return image
    return copy


def copy_size(image: Size, size: Size, settings: CopySettings) -> Size | None:
    """Return how large the copy of an image is that serves samples of a size.

    The smallest crop of the image is the one that is enlarged most. Its shorter side is
    that of the image times sqrt(3/4 least_scale), or more. At full size it is enlarged
    to the full size, where it is smaller; so may the copy's crop be, by as much and no
    more. At full size the crop is cut from :func:`base_size`.

    Args:
        image: Size of the original.
        size: Size of the samples: one of ``settings.served``.
        settings: Those of the copies.

    Returns:
        The copy's size, in the aspect ratio of the original and rounded up; ``None``
        where it would have more than three quarters of the pixels of the image that is
        read otherwise, which takes as long to decode.

    Example:
        >>> sizes, full = (Size(112, 112),), Size(224, 224)
        >>> settings = CopySettings(sizes, full, least_scale=0.08, quality=90)
        >>> print(copy_size(Size(375, 500), sizes[0], settings))  # half, as the sample
        188x250
        >>> print(copy_size(Size(1500, 2000), sizes[0], settings))  # crops of 367 and more
        458x610
    """
    base, raw = base_size(image, settings), settings.encoding == "raw"
    if size == settings.full:
        return base if raw or base != image else None
    crop = min(base) * math.sqrt(_LEAST_RATIO * settings.least_scale)
    share = max(
        side / max(crop, full) for side, full in zip(size, settings.full, strict=True)
    )
    # A rounding error of the quotient must not add a pixel.
    copy = Size(*(math.ceil(round(share * side, 6)) for side in base))
    if raw and settings.full_copy is None:
        return copy  # whatever the original has, it must be decoded
    return None if _saves_little(copy, base) else copy


def _saves_little(copy: Size, image: Size) -> bool:
    return math.prod(copy) > _MOST_PIXELS * math.prod(image)


def copy_settings(
    *,
    plan: Plan | None,
    sizes: Sequence[int | tuple[int, int]] | None,
    full: int | tuple[int, int] | None,
    most: int,
    least_scale: float,
    quality: int | None,
    encoding: CopyEncoding,
    full_copy: int | None,
) -> CopySettings:
    """Check and put together what :func:`small_copies` was given.

    Raises:
        ValueError: For what is missing, double or out of range; names it.
    """
    if not 0 < least_scale <= 1:
        raise ValueError(
            "least_scale must be a share of the image's area, above 0 and up to 1, as "
            f"the 0.08 of RandomResizedCrop, not {least_scale!r}"
        )
    small, target = _sizes(plan, sizes, full, most, full_copy)
    if full_copy is not None and not (
        min(target) <= require_whole_number("full_copy", full_copy) <= _LONGEST_SIDE
    ):
        raise ValueError(
            "full_copy must be a shorter side in pixels, from that of the full size "
            f"{target} to {_LONGEST_SIDE}, not {full_copy}"
        )
    quality = _quality(quality, encoding)
    return CopySettings(small, target, least_scale, quality, encoding, full_copy)


def _quality(quality: int | None, encoding: CopyEncoding) -> int | None:
    if encoding not in get_args(CopyEncoding):
        raise ValueError(f"encoding must be 'jpeg' or 'raw', not {encoding!r}")
    if encoding == "raw":
        if quality is not None:
            raise ValueError(
                f"raw copies have no quality: leave out quality={quality!r}, or make "
                "JPEG copies"
            )
        return None
    if quality is None:
        return _QUALITY
    if require_whole_number("quality", quality) > 95:
        raise ValueError(f"quality must be from 1 to 95, not {quality!r}")
    return quality


def _sizes(
    plan: Plan | None,
    sizes: Sequence[int | tuple[int, int]] | None,
    full: int | tuple[int, int] | None,
    most: int,
    full_copy: int | None,
) -> tuple[tuple[Size, ...], Size]:
    """Return the small sizes and the full one."""
    if plan is not None:
        if sizes is not None or full is not None:
            raise ValueError("plan has the sizes already: leave out sizes and full")
        target = plan.final_size
        small = sizes_of(plan, require_whole_number("most", most))
        if not small and full_copy is None:
            raise ValueError(f"no size of the plan is below its full size {target}")
        return small, target
    if full is None or not (sizes or full_copy is not None):
        raise ValueError("give a plan, or the sizes and the full size")
    target = as_size(full)
    small = tuple(sorted({as_size(size) for size in sizes or ()}))
    for size in small:
        if size == target or size.height > target.height or size.width > target.width:
            raise ValueError(f"sizes must be below the full size {target}, not {size}")
    return small, target
