"""A size in pixels, height first, and the checks that every size passes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, TypeGuard, overload

from pydantic import BeforeValidator, Strict

from upsize.schedule._shown import shown

__all__ = [
    "MAX_COUNT",
    "MAX_RESIZES",
    "MAX_SIDE",
    "Multiple",
    "Pixels",
    "Size",
    "WholeNumber",
    "as_size",
    "check_side",
    "check_whole_number",
    "is_listed",
    "positive",
    "require_whole_number",
    "whole_number",
]


#: Larger than in any training: pixels of a side, steps of a run, resizes in it. They
#: bound time and memory, since the numbers may come from a file.
MAX_SIDE = 65_536
MAX_COUNT = 10**12
MAX_RESIZES = 10_000


class Size(NamedTuple):
    """The height and width of an image in pixels.

    It is a tuple, so it compares with ``images.shape[-2:]`` and works as ``size=`` of
    :func:`torch.nn.functional.interpolate`.

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.

    Example:
        >>> Size(112, 160)
        Size(height=112, width=160)
        >>> Size(112, 160) == (112, 160)
        True
        >>> print(Size(112, 160))
        112x160
    """

    height: Annotated[int, Strict()]
    width: Annotated[int, Strict()]

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


def positive(value: Any) -> int:
    """Return ``value``, which may be a NumPy integer, as an int >= 1, or refuse it."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"must be a whole number of at least 1, not {shown(value)}")
    return number


def whole_number(value: Any) -> Any:
    """Return ``value`` as an int from 1 to 10**12, or refuse it."""
    number = positive(value)
    if number > MAX_COUNT:
        raise ValueError(f"must be at most {MAX_COUNT:,}, not {shown(number)}")
    return number


@overload
def check_whole_number(name: str, value: int) -> int: ...
@overload
def check_whole_number(name: str, value: int | None) -> int | None: ...
def check_whole_number(name: str, value: int | None) -> int | None:
    """Return an argument as an int >= 1, None unchanged, or refuse it by its name."""
    return None if value is None else require_whole_number(name, value)


def require_whole_number(name: str, value: Any) -> int:
    """Return an argument as an int >= 1, or refuse it by its name, None included."""
    try:
        return int(whole_number(value))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def is_listed(value: Any) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a list, a tuple, or a list of a library's own.

    OmegaConf's lists, as Hydra passes them, are sequences and not lists.

    Example:
        >>> from collections import UserList
        >>> is_listed(UserList([224, 320])), is_listed("224"), is_listed(range(224))
        (True, False, False)
    """
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, range))


def _pair(value: Any, what: str) -> Any:
    """Check ``value`` as one whole number or as a (height, width) pair of them."""
    try:
        if is_listed(value):
            height, width = value
            pair: int | tuple[int, int] = (positive(height), positive(width))
        else:
            pair = positive(value)
    except ValueError:
        raise ValueError(
            f"must be {what} as a whole number of at least 1, or a (height, width) "
            f"pair of them, not {shown(value)}"
        ) from None
    check_side(pair)
    return pair


def check_side(pixels: int | tuple[int, int]) -> None:
    """Refuse sides that are larger than any image.

    Raises:
        ValueError: When a side is too large; names the limit.
    """
    if (max(pixels) if isinstance(pixels, tuple) else pixels) > MAX_SIDE:
        raise ValueError(
            f"must be at most {MAX_SIDE:,} pixels a side, not {shown(pixels)}: give "
            "the size of your images"
        )


def as_size(value: Any) -> Size:
    """Make a :class:`Size` from one side (a square) or a (height, width) pair.

    Args:
        value: Pixels, at least 1 each.

    Raises:
        ValueError: When it is neither.

    Example:
        >>> as_size(224)
        Size(height=224, width=224)
        >>> as_size([224, 320])
        Size(height=224, width=320)
    """
    pair = _pair(value, "pixels")
    return Size(*pair) if isinstance(pair, tuple) else Size(pair, pair)


WholeNumber = Annotated[int, BeforeValidator(whole_number)]
Pixels = Annotated[
    int | tuple[int, int], BeforeValidator(lambda value: _pair(value, "pixels"))
]
Multiple = Annotated[
    int | tuple[int, int],
    BeforeValidator(lambda value: _pair(value, "the multiple in pixels")),
]
