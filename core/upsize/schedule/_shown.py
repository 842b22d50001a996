"""Show any value in a message, in bounded time and length."""

from __future__ import annotations

import reprlib
from typing import Any

__all__ = ["shown"]

_LONGEST = 100
_DIGITS = 40


class _Short(reprlib.Repr):
    """Also shortens numbers that Python refuses to write out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxdict = 12
        self.maxstring = self.maxother = self.maxlong = _LONGEST

    def repr_int(self, x: int, level: int) -> str:
        if abs(x).bit_length() > 4 * _DIGITS:
            sign = "-" if x < 0 else ""
            return f"{sign}(a number of {x.bit_length()} bits)"
        return super().repr_int(x, level)

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002
        try:
            text = repr(x)
        except Exception:
            return f"<{type(x).__name__}>"
        half = self.maxother // 2 - 1
        return text if len(text) <= self.maxother else f"{text[:half]}...{text[-half:]}"


_SHORT = _Short()


def shown(value: Any) -> str:
    """Return the ``repr`` of a value, shortened if it is long or deep.

    A value from a user or a file may be nested without bound, or contain itself. One
    whose own ``repr`` fails is shown by its type.

    Example:
        >>> shown((0.5, "10ep"))
        "(0.5, '10ep')"
        >>> shown([0] * 1000), shown(10**5000)
        ('[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...]', '(a number of 16610 bits)')
    """
    text = _SHORT.repr(value)
    if len(text) > 3 * _LONGEST:
        return f"{text[: 3 * _LONGEST]}..."
    return text
