"""Numbers with a unit, as they are printed."""

from __future__ import annotations

__all__ = ["space"]


def space(count: float) -> str:
    """Return bytes in a unit that fits.

    Example:
        >>> space(321), space(82_100_000), space(4.2e9)
        ('321 B', '82.1 MB', '4.20 GB')
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
