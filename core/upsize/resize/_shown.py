"""Values and paths as messages print them: short, whatever a batch holds."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable
from typing import Any, TypeAlias

__all__ = ["Path", "label", "shown", "spell"]

Path: TypeAlias = tuple[Hashable, ...]
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 12
_STEPS = 12


def shown(value: Any) -> str:
    """Return the repr of any value, cut to a length that fits a message."""
    try:
        return _REPR.repr(value)
    except Exception:  # its own repr fails, or an int has too many digits
        return f"<{type(value).__name__}>"


def spell(path: Path) -> str:
    """Write ``path`` as the user would in ``images=`` and ``targets=``."""
    steps = ["..." if step is ... else shown(step) for step in path]
    return steps[0] if len(steps) == 1 else f"({', '.join(steps)})"


def label(path: Path) -> str:
    """Write ``path`` for a message, as the place inside the batch."""
    steps = [f"[{shown(key)}]" for key in path]
    if len(steps) > _STEPS:
        steps[_STEPS // 2 : -_STEPS // 2] = ["[...]"]
    return "batch" + "".join(steps)
