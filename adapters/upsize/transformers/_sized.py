"""The loader of a Trainer, with workers that make each image at its step's size."""

from __future__ import annotations

from typing import Any

from accelerate.data_loader import DataLoaderStateMixin

from upsize.accelerate import sized as _sized_prepared
from upsize.loading._batches import Progress
from upsize.loading._dataset import SetSize
from upsize.loading._sized import sized as _sized

__all__ = ["sized"]


def sized(loader: Any, progress: Progress, set_size: SetSize | None) -> Any:
    """Return what ``get_train_dataloader`` gave, sized.

    Args:
        loader: Prepared by the Trainer's accelerator, or a plain one of the user's.
        progress: Tells the sizes.
        set_size: As :func:`upsize.loading.sized` takes it.
    """
    if isinstance(loader, DataLoaderStateMixin):
        prepared: Any = _sized_prepared
        return prepared(loader, progress, set_size=set_size)
    return _sized(loader, progress, set_size=set_size)
