"""Sizes that keep their ratio to the full size."""

from __future__ import annotations

from upsize.schedule._size import Size

__all__ = ["in_ratio"]


def in_ratio(
    pixels: tuple[int, int], size: tuple[int, int], *, of: tuple[int, int]
) -> Size:
    """Return ``pixels`` in the ratio of ``size`` to ``of``, to the nearest pixel.

    Integer arithmetic: a half is rounded up, and each side is at least one pixel.

    Args:
        pixels: (height, width) at full size, for example of a transform.
        size: (height, width) that the images will have.
        of: (height, width) of the full size.

    Example:
        >>> in_ratio((256, 256), (112, 112), of=(224, 224))
        Size(height=128, width=128)
    """
    sides = zip(pixels, size, of, strict=True)
    return Size(*(max(1, (2 * side * s + f) // (2 * f)) for side, s, f in sides))
