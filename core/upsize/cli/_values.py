"""The values of options: numbers, shares, moments and sizes as text."""

from __future__ import annotations

from contextlib import suppress

__all__ = ["Value", "parse"]

Value = int | float | str | tuple[int, int]


def parse(text: str) -> Value:
    """Read what stands on the command line as Python would write it.

    Args:
        text: An integer, a float, a size as ``112x160`` (height x width), or anything
            else, which the schedule then reads or refuses.

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
