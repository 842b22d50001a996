"""Size a prepared loader, and what Accelerate makes of it for a resumed epoch."""

from __future__ import annotations

from typing import Any, TypeVar

from accelerate.data_loader import DataLoaderDispatcher, SkipBatchSampler

from upsize.accelerate._dispatched import (
    DispatchedSizes,
    RunSizes,
    check_windows,
    dispatch,
)
from upsize.accelerate._grown import rank_loader
from upsize.loading._batches import source_of
from upsize.loading._dataset import SetSize
from upsize.loading._proxy import Proxy, inner_of
from upsize.loading._sized import copy_with
from upsize.loading._sized import sized as _sized

__all__ = ["size_again", "size_prepared"]

Loader = TypeVar("Loader")


def size_prepared(
    loader: Loader,
    source: RunSizes,
    set_size: SetSize | None = None,
) -> Loader:
    """Return a prepared loader, sized.

    Args:
        loader: The loader, which is not changed.
        source: Tells the sizes.
        set_size: See :func:`upsize.loading.sized`.
    """
    new: Any = copy_with(loader)
    base = new.base_dataloader
    if getattr(source, "grown_plan", None) is not None:
        base = rank_loader(base)
        # Its last batch has another length than gather_for_metrics takes it to have.
        new._drop_last = True
    _size(new, base, source, set_size)
    sized: Loader = new
    return sized


def size_again(loader: Any, source: RunSizes) -> None:
    """Size what ``skip_first_batches`` has made of a sized loader, where it is not.

    It makes a loader of a stream without the batch sampler, which knows the sizes, and
    a dispatched one without what tells the processes that its batches are small.

    Args:
        loader: The loader of a pass, which is changed; anything else is left alone.
        source: Tells the sizes.
    """
    base = getattr(loader, "base_dataloader", None)
    if base is None or not issubclass(type(base.dataset), Proxy):
        return
    drawn = base.batch_sampler
    if type(drawn) is SkipBatchSampler:
        if not isinstance(loader, DataLoaderDispatcher):
            return  # it draws the whole epoch, with its sizes
        drawn = SkipBatchSampler(inner_of(drawn.batch_sampler), drawn.skip_batches)
    elif source_of(drawn) is not None:
        return
    plain = copy_with(
        base,
        dataset=inner_of(base.dataset),
        batch_sampler=drawn,
        collate_fn=inner_of(base.collate_fn),
    )
    _size(loader, plain, source, base.dataset._upsize_set_size)


def _size(
    loader: Any,
    base: Any,
    source: RunSizes,
    set_size: SetSize | None,
) -> None:
    """Let a prepared loader take its batches from the sized ``base``."""
    sizes: Any = source
    if isinstance(loader, DataLoaderDispatcher):
        if set_size is None:
            check_windows(loader, source)
        sizes = DispatchedSizes(source, loader)
        dispatch(loader, source)
    loader.base_dataloader = _sized(base, sizes, set_size=set_size)
