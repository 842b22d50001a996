"""The source of the batch sizes of a loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from upsize.resize import Resizer
from upsize.schedule import Size

__all__ = ["SizeSource", "resizer_of", "tell_at_end"]


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


def resizer_of(source: Any) -> Resizer:
    """Return the resizer of a run that tells sizes; a default one for other sources."""
    for each in _behind(source):
        options = (getattr(each, name, None) for name in ("options", "_options"))
        for holder in (each, *options):
            resizer = getattr(holder, "resizer", None)
            if isinstance(resizer, Resizer):
                return resizer
    return Resizer()


def tell_at_end(source: Any, tell: Callable[[], object]) -> None:
    """Let a run that tells sizes call a function when it has ended without an error."""
    for each in _behind(source):
        at_end = getattr(each, "tell_at_end", None)
        if at_end is not None:
            at_end(tell)


def _behind(source: Any) -> Iterator[Any]:
    """Yield a source, the run that it is of, and the source that it takes sizes from."""
    while source is not None:
        yield source
        yield getattr(source, "_run", None)
        source = getattr(source, "_source", None)
