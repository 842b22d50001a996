"""What ``upsize`` has beside the schedules: its version, its rooms, and directions."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__: list[str] = []

# Where a name is that a user may look for in `upsize` itself.
_TRAINING = ("loop", "lightning", "fastai", "accelerate", "transformers")
_ELSEWHERE = {
    "ProgressiveResize": _TRAINING,
    "Resizer": ("resize",),
    "measure": ("forecast",),
    "sized": ("loading",),
}


def __getattr__(name: str) -> Any:
    """Return the version, or a room, which is imported at its first use.

    Args:
        name: What a user has asked ``upsize`` for, and is not there.

    Raises:
        AttributeError: For an unknown name; for one that a room has, it says which.
        ImportError: For a room whose extra is missing.

    Example:
        >>> import upsize
        >>> upsize.schedule.Ramp is upsize.Ramp
        True
        >>> upsize.sized
        Traceback (most recent call last):
        AttributeError: upsize has no sized: import it from upsize.loading
    """
    if name == "__version__":
        return _version()
    if name in _ELSEWHERE:
        # Not an ImportError, which would show its text for `from upsize import sized`
        # as well: what resolves dotted paths, as LightningCLI does, asks for any name.
        rooms = ", ".join(f"upsize.{room}" for room in _ELSEWHERE[name])
        one_of = "one of " if len(_ELSEWHERE[name]) > 1 else ""
        raise AttributeError(f"upsize has no {name}: import it from {one_of}{rooms}")
    if not name.startswith("_"):
        try:
            return import_module(f"upsize.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"upsize.{name}":
                raise
    raise AttributeError(f"module 'upsize' has no attribute {name!r}")


def _version() -> str:
    """Return the version of the installed package."""
    try:
        return version("upsize")
    except PackageNotFoundError as error:
        raise AttributeError(
            "upsize has no __version__, because it is not installed: pip install upsize"
        ) from error
