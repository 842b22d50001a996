"""What loaders take of an image, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from upsize.loading._images._cut import (
    FILTERS,
    Crop,
    Output,
)
from upsize.schedule import Size

if TYPE_CHECKING:
    from upsize.loading._copies._read import CopyLoader

__all__ = ["Choose", "Options", "Part", "check_options"]


class Part(NamedTuple):
    """What a sample shows of an image.

    Attributes:
        original: The size of the image.
        crop: The part, in pixels of the original.
        size: The size that it is resampled to.
        have: (height, width) of what must cover ``need``, in pixels of the original.
        need: What it must cover.
        least: (height, width) that it counts as where it is smaller.
        whole: Where the part is the centre of the resized image: its size.
    """

    original: Size
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


def check_options(
    interpolation: Any, copies: Any, output: Any, exif: bool, size: Size
) -> str:
    """Refuse bad options of a loader of a full size; return the name of the interpolation."""
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
        if copies.exif and not exif:
            raise ValueError(
                "copies turn images as their EXIF orientation says, and this loader does "
                "not: give exif=True to this loader, too, or leave it out of CopyLoader"
            )
        copies.check_full(size)
    return name
