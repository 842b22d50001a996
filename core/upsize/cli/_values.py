"""The values of options: numbers, shares, moments and sizes as text."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from upsize.schedule._fields import nearest
from upsize.schedule._shown import shown
from upsize.schedule._size import MAX_SIDE, as_size

__all__ = ["Value", "meant", "parse", "read_size"]

Value = int | float | str | tuple[int, int]


def meant(name: str, known: Iterable[str]) -> str:
    """Return which known name is likely meant, as the end of a message; empty: none.

    Example:
        >>> meant("fastxtnd", ["composer", "fastxtend"]), meant("adam", ["composer"])
        ('; did you mean fastxtend?', '')
    """
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near}?"


def parse(text: str) -> Value:
    """Read the value of an option: a number, a size, or text.

    Args:
        text: An integer, a float, a size as ``112x160`` (height x width), or other
            text, which the schedule reads or refuses.

    Example:
        >>> parse("112"), parse("0.5"), parse("112x160"), parse("10ep")
        (112, 0.5, (112, 160), '10ep')
    """
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    height, _, width = text.partition("x")
    with suppress(ValueError):
        return int(height), int(width)
    return text


def read_size(option: str, text: str | None) -> int | tuple[int, int] | None:
    """Read an option that is a size in pixels.

    Args:
        option: Its name, for the message.
        text: A side, or height x width; ``None``: not given.

    Raises:
        ValueError: For a share, a moment, other text, or more pixels than any image has.

    Example:
        >>> read_size("--size", "224"), read_size("--size", "224x320")
        (224, (224, 320))
    """
    if text is None:
        return None
    match parse(text):
        case int() | (_, _) as size:
            pass
        case _:
            size = 0
    try:
        as_size(size)
    except ValueError:
        raise ValueError(
            f"{option} must be pixels, as 224 or 224x320 (height x width), at most "
            f"{MAX_SIDE:,} pixels a side, not {shown(text)}"
        ) from None
    return size
