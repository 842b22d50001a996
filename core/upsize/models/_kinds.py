"""What the adapters of the libraries have in common."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from upsize.schedule import Size

__all__ = ["Note", "name_of"]


class Note(NamedTuple):
    """What was done to a module: in words, and the multiple that its sizes must fit."""

    text: str
    multiple_of: Size = Size(1, 1)


def name_of(module: nn.Module) -> str:
    """Name a module's class, not one of ours, with the library that it comes from."""
    kinds = type(module).__mro__
    kind = next(k for k in kinds if not k.__module__.startswith("upsize."))
    return f"{kind.__module__.partition('.')[0]} {kind.__name__}"
