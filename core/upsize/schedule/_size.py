"""A size in pixels, height first, and the checks that every size passes."""

from __future__ import annotations

import operator
from typing import Annotated, Any, NamedTuple, overload

from pydantic import BeforeValidator

__all__ = [
    "Multiple",
    "Pixels",
    "Size",
    "WholeNumber",
    "as_size",
    "check_whole_number",
    "require_whole_number",
    "whole_number",
]


class Size(NamedTuple):
    """The height and width of an image in pixels.

    A tuple, so ``images.shape[-2:] == size`` holds and ``size=`` of
    :func:`torch.nn.functional.interpolate` takes it.

    Example:
        >>> Size(112, 160)
        Size(height=112, width=160)
        >>> Size(112, 160) == (112, 160)
        True
        >>> print(Size(112, 160))
        112x160
    """

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


def whole_number(value: Any) -> Any:
    """Return ``value`` as an int >= 1, numpy's integers included, or refuse it."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"must be a whole number of at least 1, not {value!r}")
    return number


@overload
def check_whole_number(name: str, value: int) -> int: ...
@overload
def check_whole_number(name: str, value: int | None) -> int | None: ...
def check_whole_number(name: str, value: int | None) -> int | None:
    """Return an argument as an int >= 1, None as it is, or refuse it by its name."""
    return None if value is None else require_whole_number(name, value)


def require_whole_number(name: str, value: Any) -> int:
    """Return an argument as an int >= 1, or refuse it by its name, None too."""
    try:
        return int(whole_number(value))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _pair(value: Any, what: str) -> Any:
    """Check ``value`` as one whole number or as a (height, width) pair of them."""
    try:
        if isinstance(value, (list, tuple)):
            height, width = value
            return (whole_number(height), whole_number(width))
        return whole_number(value)
    except ValueError:
        raise ValueError(
            f"must be {what} as a whole number of at least 1, or a (height, width) "
            f"pair of them, not {value!r}"
        ) from None


def as_size(value: Any) -> Size:
    """Make a :class:`Size` of one side (a square) or of a (height, width) pair.

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
