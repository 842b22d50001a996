"""Paths in a batch as messages print them: short, whatever it holds."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

from upsize.schedule._shown import shown

__all__ = ["Path", "label", "spell"]

Path: TypeAlias = tuple[Hashable, ...]
_STEPS = 12


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
