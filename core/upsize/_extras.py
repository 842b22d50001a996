"""What to say when an optional dependency is missing."""

from __future__ import annotations

__all__ = ["missing_extra"]


def missing_extra(extra: str, what: str) -> ImportError:
    """Return the error that names the exact command which installs an extra."""
    return ImportError(f'{what} need an extra: pip install "upsize[{extra}]"')
