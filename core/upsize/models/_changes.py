"""What was changed in a model, and how to undo it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from torch import nn
from torch.utils.hooks import RemovableHandle

from upsize.models._report import spell_multiple
from upsize.schedule import Size

__all__ = ["Adaptation", "Changes"]

_MISSING = object()


class Changes:
    """Attributes, classes and hooks of modules that were changed, to be put back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, module: nn.Module, **attributes: Any) -> None:
        """Set attributes of a module."""
        for name, value in attributes.items():
            old = module.__dict__.get(name, _MISSING)

            def undo(name: str = name, old: Any = old) -> None:
                if old is _MISSING:
                    module.__dict__.pop(name, None)
                else:
                    module.__dict__[name] = old

            self._undo.append(undo)
            module.__dict__[name] = value

    def swap_class(self, module: nn.Module, new: type[nn.Module]) -> None:
        """Give this one module another class, as torch's parametrizations do."""
        old = type(module)
        self._undo.append(lambda: _set_class(module, old))
        _set_class(module, new)

    def hook(self, handle: RemovableHandle) -> None:
        """Take note of a hook."""
        self._undo.append(handle.remove)

    def undo(self) -> None:
        """Put everything back, the last change first; once."""
        while self._undo:
            self._undo.pop()()


def _set_class(module: nn.Module, new: type[nn.Module]) -> None:
    module.__class__ = new


class Adaptation:
    """What :func:`upsize.models.adapt` did to a model; undoes it.

    As a context manager it undoes it at the end of the block.

    Attributes:
        notes: A sentence for each part of the model that is adapted, or that takes other
            sizes by itself.
        multiple_of: The sizes that the model takes now are multiples of this, (height,
            width).
    """

    notes: tuple[str, ...]
    multiple_of: Size

    def __init__(
        self, changes: Changes, notes: tuple[str, ...], multiple_of: Size
    ) -> None:
        self._changes = changes
        self.notes = notes
        self.multiple_of = multiple_of

    def remove(self) -> None:
        """Put the model back as it was; weights stay as they are. Twice is harmless."""
        self._changes.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __str__(self) -> str:
        rule = f"sizes: multiples of {spell_multiple(self.multiple_of)}"
        return "\n".join((*self.notes, rule))
