"""Warn where the user can act: at a line of their own code."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn"]

# Packages whose lines tell the user nothing: upsize and the frameworks that call it.
_LIBRARIES = frozenset(
    {
        "accelerate", "contextlib", "fastai", "fastcore", "lightning",
        "lightning_fabric", "pytorch_lightning", "torch", "transformers", "upsize",
    }
)  # fmt: skip


def warn(message: str) -> None:
    """Warn at the first line outside of upsize and of the frameworks that call it.

    Args:
        message: What is wrong, what follows from it, and the cure.

    Warns:
        UserWarning: With the message. If every caller is a framework, as in a separate
            thread, at the first line outside of upsize.
    """
    ours = sys._getframe(1)
    caller = _first_outside(ours, frozenset({"upsize"})) or ours
    frame = _first_outside(caller, _LIBRARIES) or caller
    warnings.warn_explicit(
        message,
        UserWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "<string>"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _first_outside(start: FrameType, packages: frozenset[str]) -> FrameType | None:
    """Return the first frame whose module is in none of the packages."""
    frame: FrameType | None = start
    while frame is not None and _package(frame) in packages:
        frame = frame.f_back
    return frame


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
