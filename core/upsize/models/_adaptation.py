"""What adapting a model has changed, and how to undo it."""

from __future__ import annotations

from typing import Self

from upsize.models._report import spell_multiple
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["Adaptation"]


class Adaptation:
    """Changes that :func:`upsize.models.adapt` made to a model, and their undoing.

    As a context manager it restores the model at the end of the block.

    Attributes:
        notes: A sentence for each part of the model that was adapted, or that takes
            other sizes by itself.
        multiple_of: Multiple, (height, width), of every size that the model now takes.
    """

    notes: tuple[str, ...]
    multiple_of: Size

    def __init__(
        self, changes: Restoring, notes: tuple[str, ...], multiple_of: Size
    ) -> None:
        self._changes = changes
        self.notes = notes
        self.multiple_of = multiple_of

    def remove(self) -> None:
        """Restore the model, but not its weights; again, it does nothing."""
        self._changes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __str__(self) -> str:
        rule = f"sizes: multiples of {spell_multiple(self.multiple_of)}"
        return "\n".join((*self.notes, rule))
