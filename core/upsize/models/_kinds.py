"""Shared by the adapters of the libraries."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from upsize.schedule import Size

__all__ = ["Note", "name_of"]


class Note(NamedTuple):
    """Description of how a module was adapted, and the multiple of its sizes."""

    text: str
    multiple_of: Size = Size(1, 1)


def name_of(module: nn.Module) -> str:
    """Name a module's class and its library, skipping the classes of upsize."""
    kinds = type(module).__mro__
    kind = next(k for k in kinds if not k.__module__.startswith("upsize."))
    return f"{kind.__module__.partition('.')[0]} {kind.__name__}"
