"""The source of the batch sizes of a loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from upsize.schedule import Size

__all__ = ["SizeSource"]


class SizeSource(Protocol):
    """Gives a sized loader the size of each batch that it draws."""

    @property
    def final_size(self) -> Size:
        """The full size."""
        ...

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch that a loader is about to draw, without end.

        Args:
            batches: Batches in a pass over the loader; ``None``: unknown.
        """
        ...
