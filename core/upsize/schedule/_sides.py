"""The sizes of a schedule in pixels: the first size, and sizes of an aspect ratio."""

from __future__ import annotations

import contextlib
import math
import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from upsize.schedule._shown import shown
from upsize.schedule._size import Size, check_side, is_listed, positive

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "InitialSize",
    "check_fits",
    "check_some_pixel",
    "exact_longer",
    "exact_size",
    "longer_axis",
    "with_longer_side",
]

_ALLOWED = (
    "a share of final_size as a float in (0, 1], or pixels: the longer side as an int, "
    "or (height, width)"
)


def _check_initial(value: Any) -> float | int | tuple[int, int]:
    """Refuse what is neither a share in (0, 1] nor pixels."""
    if isinstance(value, float):
        if 0 < value <= 1:
            return float(value)
    elif is_listed(value):
        pair = None
        with contextlib.suppress(ValueError):
            height, width = map(positive, value)
            pair = (height, width)
        if pair is not None:
            check_side(pair)
            return pair
    elif not isinstance(value, bool):
        with contextlib.suppress(TypeError):
            if (side := operator.index(value)) >= 1:
                check_side(side)
                return side
    raise ValueError(f"must be {_ALLOWED}, not {shown(value)}")


InitialSize = Annotated[int | float | tuple[int, int], BeforeValidator(_check_initial)]


def longer_axis(size: Size) -> int:
    """Return the index of the longer side, the height of a square."""
    return 0 if size.height >= size.width else 1


def with_longer_side(
    longer: Fraction | int,
    final: Size,
    multiple: Size,
    rounding: Callable[[Fraction], int] = math.floor,
) -> Size:
    """Return the size with ``final``'s aspect ratio and the given longer side.

    Each side is rounded to its multiple, down by default.
    """
    if isinstance(longer, int) and rounding is math.floor:  # ten times as quick
        return Size(
            *(
                f * longer // (max(final) * m) * m
                for f, m in zip(final, multiple, strict=True)
            )
        )
    scale = Fraction(longer) / max(final)
    return Size(
        *(rounding(f * scale / m) * m for f, m in zip(final, multiple, strict=True))
    )


def check_fits(name: str, size: Size, multiple: Size) -> None:
    """Refuse a size in pixels that is not a multiple.

    Raises:
        ValueError: When it is not; names the nearest sizes that are.
    """
    if any(side % m for side, m in zip(size, multiple, strict=True)):
        down = Size(*(s // m * m for s, m in zip(size, multiple, strict=True)))
        up = Size(*(-(-s // m) * m for s, m in zip(size, multiple, strict=True)))
        use = f"{tuple(down)} or {tuple(up)}" if min(down) > 0 else f"{tuple(up)}"
        raise ValueError(
            f"{name}={tuple(size)} is not a multiple of multiple_of={tuple(multiple)}: "
            f"use {use}"
        )


def check_some_pixel(
    name: str, spec: float | tuple[int, int], size: Size, final: Size, multiple: Size
) -> None:
    """Refuse a size that rounding has reduced to nothing.

    Raises:
        ValueError: When a side has no pixel; names the argument.
    """
    if min(size) < 1:
        raise ValueError(
            f"{name}={shown(spec)} of final_size={tuple(final)} rounded to "
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
    """Return the longer side of an initial size (or ``name``), unrounded.

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
        expected = with_longer_side(longer, final, multiple, rounding)
        if size != expected:
            raise ValueError(
                f"{name}={initial} does not have the aspect ratio of "
                f"final_size={tuple(final)}: use {tuple(expected)}"
            )
    else:
        longer = initial
        axes = [axis for axis in (0, 1) if final[axis] == max(final)]
        if any(longer % multiple[axis] for axis in axes):
            raise ValueError(
                f"{name}={initial} is not a multiple of multiple_of={tuple(multiple)}"
            )
    if longer > max(final):
        raise ValueError(f"{name}={initial} is larger than final_size={tuple(final)}")
    return Fraction(longer)


def exact_size(
    name: str, spec: float | tuple[int, int], final: Size, multiple: Size
) -> Size:
    """Return an item of a list of sizes in pixels, rounded down to its multiple.

    Raises:
        ValueError: When pixels do not fit the multiple or the final size, or a share
            leaves no pixel.
    """
    if isinstance(spec, tuple):
        check_fits(name, Size(*spec), multiple)
        return Size(*spec)
    longer = exact_longer(spec, final, multiple, name=name)
    size = with_longer_side(math.floor(longer), final, multiple)
    check_some_pixel(name, spec, size, final, multiple)
    return size
