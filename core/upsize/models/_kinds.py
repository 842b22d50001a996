"""Shared by the adapters of the libraries."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from upsize.models._try import Trial
from upsize.schedule import Size

__all__ = ["Note", "name_of"]


class Note(NamedTuple):
    """Description of a module that was adapted, or takes other sizes by itself.

    Args:
        name: Its class and library.
        how: What was changed, after the name.
        multiple_of: Multiple of its sizes.
        strict: Whether other sizes raise; otherwise the model leaves out what does not
            fill a patch.
        changed: Whether the module was changed.
        trial: Tries sizes, where that is possible.
    """

    name: str
    how: str
    multiple_of: Size = Size(1, 1)
    strict: bool = True
    changed: bool = True
    trial: Trial | None = None

    @property
    def text(self) -> str:
        """What was done, in a sentence."""
        return f"{self.name}{self.how}"


def name_of(module: nn.Module) -> str:
    """Name a module's class and its library, skipping the classes of upsize."""
    kinds = type(module).__mro__
    kind = next(k for k in kinds if not k.__module__.startswith("upsize."))
    return f"{kind.__module__.partition('.')[0]} {kind.__name__}"
