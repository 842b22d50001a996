"""The loader of a Trainer, with workers that make each image at its step's size."""

from __future__ import annotations

import inspect
from typing import Any

from accelerate.data_loader import DataLoaderStateMixin

from upsize.accelerate._prepared import size_again, size_prepared
from upsize.loading._dataset import SetSize
from upsize.loading._sized import sized as _sized
from upsize.transformers._sizes import SessionSizes

__all__ = ["sized", "sized_again"]


def sized(loader: Any, sizes: SessionSizes, set_size: SetSize | None) -> Any:
    """Return the loader of ``get_train_dataloader``, sized.

    Args:
        loader: A loader that the Trainer's accelerator prepared, or a plain one.
        sizes: Tells the sizes.
        set_size: See :func:`upsize.loading.sized`.
    """
    if isinstance(loader, DataLoaderStateMixin):
        return size_prepared(loader, sizes, set_size)
    return _sized(loader, sizes, set_size=set_size)


def sized_again(batches: Any, sizes: SessionSizes) -> None:
    """Size the loader of a resumed epoch, which the Trainer has made of a sized one.

    Args:
        batches: The iterator of that loader, before its first batch.
        sizes: Tells the sizes.
    """
    if inspect.isgenerator(batches):
        loader = inspect.getgeneratorlocals(batches).get("self")
        size_again(loader, sizes)
