"""Make a loader's batches at the sizes that the callback gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

from torch.utils.data import DataLoader, get_worker_info

from upsize.fastai._batch_tfms import pipeline_of
from upsize.fastai._item_tfms import ItemTransforms
from upsize.loading._batches import source_of
from upsize.loading._context import sample_size
from upsize.loading._dataset import SetSize
from upsize.loading._reduction import whole_images
from upsize.loading._transforms import restoring_sizes
from upsize.schedule import Size

__all__ = ["Ahead", "SizedBatches", "ahead_of"]

_END = object()


class Ahead:
    """The sizes of the batches in the next pass; full size where there are none.

    It is sent to the workers with the loader.

    Attributes:
        sizes: One for each batch, from the callback of the fit.
        final_size: The full size; ``None`` until it is known.
    """

    def __init__(self, full: Size | None) -> None:
        self.sizes: tuple[Size, ...] = ()
        self.final_size = full
        self._at_end: dict[Callable[[], object], None] = {}

    def tell(self, sizes: Iterable[Size], full: Size) -> None:
        """Take the sizes of a pass over the loader."""
        self.sizes, self.final_size = tuple(sizes), full

    def forget(self) -> None:
        """Let the loader make images at full size again."""
        self.sizes = ()

    def tell_at_end(self, tell: Callable[[], object]) -> None:
        """Call a function when a fit has ended without an exception."""
        self._at_end[tell] = None

    def end(self) -> None:
        """End a fit."""
        for tell in self._at_end:
            tell()

    def sizes_ahead(self, batches: int | None) -> Iterator[Any]:  # noqa: ARG002
        """Yield the sizes, as a ``SizeSource`` does."""
        return chain(self.sizes, repeat(self.final_size))


class SizedBatches:
    """Replaces ``create_batches`` of a loader, and makes each batch at its size.

    fastai forks its workers for each pass, and deals the batches out alternately.

    Args:
        loader: The loader, whose ``create_batches`` this becomes.
        ahead: The sizes.
        set_size: See :func:`upsize.fastai.sized`.
    """

    def __init__(self, loader: Any, ahead: Ahead, set_size: SetSize | None) -> None:
        self._loader, self.ahead, self.set_size = loader, ahead, set_size
        # The user may have given the loader another function than its own method.
        self._own = vars(loader).get("create_batches")

    def create_batches(self, samples: Any) -> Iterator[Any]:
        """Return the batches of this process, each made when it is asked for."""
        if self._own is not None:
            batches = self._own(samples)
        else:
            batches = type(self._loader).create_batches(self._loader, samples)
        sizes, full = self.ahead.sizes, self.ahead.final_size
        return iter(batches) if not sizes else self._sized(iter(batches), sizes, full)

    def new(self, *args: Any, **kwargs: Any) -> Any:
        """Return a new loader like this one, which is not sized."""
        own = {} if self._own is None else {"create_batches": self._own}
        return type(self._loader).new(self._loader, *args, **(own | kwargs))

    def _sized(
        self, batches: Iterator[Any], sizes: tuple[Size, ...], full: Any
    ) -> Iterator[Any]:
        # Not those of the loader: a DistributedDL has its own instead.
        info = get_worker_info()
        position, workers = (0, 1) if info is None else (info.id, info.num_workers)
        while True:
            size = sizes[position] if position < len(sizes) else full
            with sample_size(size, full), self._at(size, full):
                batch = next(batches, _END)
            if batch is _END:
                return
            yield batch
            position += workers

    @contextmanager
    def _at(self, size: Size, full: Size) -> Iterator[None]:
        if size == full:
            yield
        elif self.set_size is None:
            items = ItemTransforms(self._loader)
            # The code that reads them does not know the scale of their image.
            with whole_images(items.positions), restoring_sizes(items, size, full):
                yield
        else:
            self.set_size(self._loader, size)
            try:
                yield
            finally:
                self.set_size(self._loader, full)


def ahead_of(loader: Any) -> Ahead | None:
    """Return the source of a loader's sizes; ``None``: it is not sized."""
    loader = pipeline_of(loader)[0]
    ahead: Any
    if isinstance(loader, DataLoader):
        ahead = source_of(loader.batch_sampler)
    else:
        made = getattr(loader, "__dict__", {}).get("create_batches")
        ahead = getattr(getattr(made, "__self__", None), "ahead", None)
    return ahead if isinstance(ahead, Ahead) else None
