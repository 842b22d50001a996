"""The sizes of a schedule in pixels: its first one, and those that follow an aspect."""

from __future__ import annotations

import contextlib
import math
import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from upsize.schedule._size import Size, as_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "InitialSize",
    "check_fits",
    "check_some_pixel",
    "exact_longer",
    "exact_size",
    "follow",
    "longer_axis",
]

_ALLOWED = (
    "a share of final_size as a float above 0 and up to 1.0, or pixels: the longer "
    "side as an int, or (height, width)"
)


def _check_initial(value: Any) -> float | int | tuple[int, int]:
    """Refuse what is neither a share in (0, 1] nor pixels."""
    if isinstance(value, float):
        if 0 < value <= 1:
            return float(value)
    elif isinstance(value, (list, tuple)):
        with contextlib.suppress(ValueError):
            height, width = as_size(value)
            return (height, width)
    elif not isinstance(value, bool):
        with contextlib.suppress(TypeError):
            if (side := operator.index(value)) >= 1:
                return side
    raise ValueError(f"must be {_ALLOWED}, not {value!r}")


InitialSize = Annotated[int | float | tuple[int, int], BeforeValidator(_check_initial)]


def longer_axis(size: Size) -> int:
    """Return the index of the longer side, the height of a square."""
    return 0 if size.height >= size.width else 1


def follow(
    longer: Fraction | int,
    final: Size,
    multiple: Size,
    rounding: Callable[[Fraction], int] = math.floor,
) -> Size:
    """Return the size of ``final``'s aspect ratio with the given longer side.

    Each side is rounded, down unless told otherwise, to its multiple.
    """
    scale = Fraction(longer) / max(final)
    return Size(
        *(rounding(f * scale / m) * m for f, m in zip(final, multiple, strict=True))
    )


def check_fits(name: str, size: Size, multiple: Size) -> None:
    """Refuse a size in pixels that is no multiple.

    Raises:
        ValueError: Naming the size and the nearest ones that fit.
    """
    if any(side % m for side, m in zip(size, multiple, strict=True)):
        down = Size(*(s // m * m for s, m in zip(size, multiple, strict=True)))
        up = Size(*(-(-s // m) * m for s, m in zip(size, multiple, strict=True)))
        raise ValueError(
            f"{name}={tuple(size)} is no multiple of multiple_of={tuple(multiple)}: "
            f"use {tuple(down)} or {tuple(up)}"
        )


def check_some_pixel(
    name: str, spec: float | tuple[int, int], size: Size, final: Size, multiple: Size
) -> None:
    """Refuse a size of which rounding has left nothing.

    Raises:
        ValueError: Naming what asked for it.
    """
    if min(size) < 1:
        raise ValueError(
            f"{name}={spec!r} of final_size={tuple(final)} rounded to "
            f"multiple_of={tuple(multiple)} leaves no pixel: use a larger size"
        )


def exact_longer(
    initial: float | tuple[int, int],
    final: Size,
    multiple: Size,
    rounding: Callable[[Fraction], int] = math.floor,
    *,
    name: str = "initial_size",
) -> Fraction:
    """Return the longer side that an initial size (or ``name``) asks for, unrounded.

    Raises:
        ValueError: When pixels do not fit the multiple, the aspect ratio or the final
            size.
    """
    if isinstance(initial, float):
        return Fraction(str(initial)) * max(final)
    if isinstance(initial, tuple):
        size = Size(*initial)
        check_fits(name, size, multiple)
        longer = size[longer_axis(final)]
        expected = follow(longer, final, multiple, rounding)
        if size != expected:
            raise ValueError(
                f"{name}={initial} has not the aspect ratio of "
                f"final_size={tuple(final)}: use {tuple(expected)}"
            )
    else:
        longer = initial
        axes = [axis for axis in (0, 1) if final[axis] == max(final)]
        if any(longer % multiple[axis] for axis in axes):
            raise ValueError(
                f"{name}={initial} is no multiple of multiple_of={tuple(multiple)}"
            )
    if longer > max(final):
        raise ValueError(f"{name}={initial} is larger than final_size={tuple(final)}")
    return Fraction(longer)


def exact_size(
    name: str, spec: float | tuple[int, int], final: Size, multiple: Size
) -> Size:
    """Return the size that one of a list of sizes asks for, down to its multiple.

    Raises:
        ValueError: When pixels do not fit the multiple or the final size, or a share
            leaves none.
    """
    if isinstance(spec, tuple):
        check_fits(name, Size(*spec), multiple)
        return Size(*spec)
    longer = exact_longer(spec, final, multiple, name=name)
    size = follow(math.floor(longer), final, multiple)
    check_some_pixel(name, spec, size, final, multiple)
    return size
