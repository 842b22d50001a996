"""Loaders of streams for Lightning, which draws from them before the plan is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import IterableDataset

from upsize.lightning._callback import ResizeCallback
from upsize.lightning._privates import is_fetching_early
from upsize.loading._dataset import SetSize
from upsize.loading._proxy import Proxy
from upsize.loading._sized import sized as _sized
from upsize.loading._web import is_web_loader
from upsize.schedule import Size

__all__ = ["StreamLoader", "is_stream", "is_thrown_away", "sized_stream"]


def is_stream(loader: Any) -> bool:
    """Whether a loader reads a stream."""
    dataset = getattr(loader, "dataset", None)
    return is_web_loader(loader) or isinstance(dataset, IterableDataset)


def sized_stream(
    loader: Any, resize: ResizeCallback, set_size: SetSize | None
) -> StreamLoader:
    """Return the loader of a stream, sized.

    Args:
        loader: A subclass of ``DataLoader``, or a ``WebLoader``.
        resize: The callback, with a final size.
        set_size: See :func:`upsize.loading.sized`.

    Raises:
        ValueError: As :func:`upsize.loading.sized` does.
    """
    if issubclass(type(loader), StreamLoader):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            "the loader is sized already: give the one that it was made from"
        )
    source: Any = _Sizes(resize)
    return StreamLoader(_sized(loader, source, set_size=set_size), resize)


class _Sizes:
    """The sizes of the callback, for loaders that Lightning restores within an epoch."""

    #: They begin with the next batch, also of a loader that continues an epoch.
    begins_here = True

    def __init__(self, resize: ResizeCallback) -> None:
        self._source = resize

    @property
    def final_size(self) -> Size:
        """The full size."""
        size = self._source.final_size
        assert size is not None  # sized() refuses a callback without it
        return size

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch to come."""
        return self._source.sizes_ahead(batches)


class StreamLoader(Proxy):
    """A sized loader of a stream, from which nothing is drawn until the plan is known.

    Where a stream has no length, Lightning draws the first batch before the training
    starts. The callback has it drawn again, but a stream does not give it twice.

    Args:
        loader: The sized loader.
        resize: The callback.
    """

    __slots__ = ("_upsize_resize",)

    def __init__(self, loader: Any, resize: ResizeCallback) -> None:
        super().__init__(loader)
        self._upsize_set(_upsize_resize=resize)

    def _parts(self) -> tuple[Any, ...]:
        return self._upsize_inner, self._upsize_resize

    @property
    def resize(self) -> ResizeCallback:
        """The callback."""
        resize: ResizeCallback = self._upsize_resize
        return resize

    def __iter__(self) -> Iterator[Any]:
        if is_thrown_away(self.resize):
            yield None
        else:
            loader: Any = self._upsize_inner
            yield from loader


def is_thrown_away(resize: ResizeCallback) -> bool:
    """Whether a batch that is drawn now is drawn again when the training starts."""
    trainer = resize._trainer
    waits = trainer is not None and resize._run is None and resize in trainer.callbacks
    return waits and is_fetching_early(trainer)
