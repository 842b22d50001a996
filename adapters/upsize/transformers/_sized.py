"""The loader of a Trainer, with workers that make each image at its step's size."""

from __future__ import annotations

from typing import Any

from accelerate.data_loader import DataLoaderStateMixin

from upsize.accelerate import sized as _sized_prepared
from upsize.loading._dataset import SetSize
from upsize.loading._sized import sized as _sized
from upsize.run._size_source import SizeSource

__all__ = ["sized"]


def sized(loader: Any, resize: SizeSource, set_size: SetSize | None) -> Any:
    """Return the loader of ``get_train_dataloader``, sized.

    Args:
        loader: A loader that the Trainer's accelerator prepared, or a plain one.
        resize: The source of the sizes.
        set_size: See :func:`upsize.loading.sized`.
    """
    if isinstance(loader, DataLoaderStateMixin):
        prepared: Any = _sized_prepared
        return prepared(loader, resize, set_size=set_size)
    return _sized(loader, resize, set_size=set_size)
