"""The size of a loader's images, found without drawing from it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from fastai.data.load import DataLoader, to_device
from torch.utils.data import IterableDataset

from upsize.fastai._batch_tfms import pipeline_of
from upsize.resize import Resizer
from upsize.run._dry_run import restoring_random_state
from upsize.schedule import Size

__all__ = ["image_size"]


def image_size(
    loader: Any,
    resizer: Resizer,
    what: str,
    full: int | tuple[int, int] | None = None,
) -> Size | None:
    """Return the size of the images that a loader makes.

    Args:
        loader: A fastai or PyTorch loader. One sample is made from its first item, as
            fastai itself does; the random state is restored, and copies of the batch
            transforms are used.
        resizer: Finds the images.
        what: The name of the loader, for the error.
        full: The full size, which stands for images in a list, if it is known.

    Returns:
        The size; ``None`` if the dataset has no index or no items.

    Raises:
        ValueError: When a sample has no images.
    """
    dataset: Any = getattr(loader, "dataset", None)
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        return None
    if not len(dataset):
        return None
    gpus: set[torch.device] = set()
    if torch.cuda.is_available():
        gpus.add(torch.device("cuda", torch.cuda.current_device()))
    with restoring_random_state(gpus):
        batch = _sample(loader)
    if isinstance(batch, tuple | list):
        # The rule of loader.n_inp, which itself may draw a sample.
        known = getattr(dataset, "n_inp", None)
        batch = batch[: known or max(1, len(batch) - 1)]
    try:
        return resizer.image_size(batch, full=full)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _sample(loader: Any) -> Any:
    """Return a batch of the first item."""
    loader, pipeline = pipeline_of(loader)
    if not isinstance(loader, DataLoader):
        item = loader.dataset[0]
        return loader.collate_fn(item if loader.batch_size is None else [item])
    loader.before_iter()
    item = loader.do_item(0)
    batch = loader.do_batch(item if loader.prebatched else [item])
    if loader.device is not None:
        batch = to_device(batch, loader.device)
    if pipeline is None:
        return loader.after_batch(batch)
    return copy.deepcopy(pipeline)(batch)
