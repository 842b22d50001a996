"""The size of a loader's images, found without drawing from it."""

from __future__ import annotations

import copy
from typing import Any

from fastai.data.load import DataLoader, to_device
from torch.utils.data import IterableDataset

from upsize.fastai._batch_tfms import pipeline_of
from upsize.fastai._targets import count_inputs
from upsize.resize import Resizer
from upsize.run import Options
from upsize.run._dry_run import current_gpu, restoring_random_state
from upsize.schedule import Size

__all__ = ["image_size", "image_sizes"]


def image_sizes(
    dls: Any, options: Options
) -> tuple[Size | None, Size | None, Size | None]:
    """Return the full size, and the sizes of the training and validation images.

    Args:
        dls: The loaders of a learner.
        options: What the user asks for. The full size is that of the training images
            if it is not given.

    Returns:
        The sizes; ``None`` for each that the first batch must tell, and for validation
        images that keep theirs.

    Raises:
        ValueError: When a sample has no images.
    """
    full, loaders, resizer = options.full_size, dls.loaders, Resizer()
    train = image_size(loaders[0], resizer, "the training images", full)
    valid = None
    if options.resize_valid and len(loaders) > 1:
        valid = image_size(loaders[1], resizer, "the validation images", full)
    final = train if full is None else full
    # Without a full size, there is none to compare them with.
    return final, train, None if final is None else valid


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
        The size; ``None`` if the dataset has no index or no items, and if a PyTorch
        loader draws other indices than numbers: then the first batch tells.

    Raises:
        ValueError: When a sample has no images.
    """
    dataset: Any = getattr(loader, "dataset", None)
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        return None
    if not len(dataset):
        return None
    with restoring_random_state(current_gpu()):
        batch = _sample(loader)
    if batch is None:
        return None
    if isinstance(batch, tuple | list):
        batch = batch[: count_inputs(loader, batch)]
    try:
        return resizer.read(batch, full=full).size
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _sample(loader: Any) -> Any:
    """Return a batch of the first item; ``None``: the loader draws others."""
    loader, pipeline = pipeline_of(loader)
    if not isinstance(loader, DataLoader):
        return _sample_of_torch(loader)
    loader.before_iter()
    item = loader.do_item(0)
    batch = loader.do_batch(item if loader.prebatched else [item])
    if loader.device is not None:
        batch = to_device(batch, loader.device)
    if pipeline is None:
        return loader.after_batch(batch)
    return copy.deepcopy(pipeline)(batch)


def _sample_of_torch(loader: Any) -> Any:
    """Return a batch of the first item, as a PyTorch loader makes it.

    Its own sampler is not asked: that may be an iterator, or count its passes.
    """
    dataset = loader.dataset
    try:
        if loader.batch_sampler is None:
            items = dataset[0]
        elif getattr(dataset, "__getitems__", None) is not None:
            items = dataset.__getitems__([0])
        else:
            items = [dataset[0]]
        return loader.collate_fn(items)
    except Exception:
        # Its keys may be names, or lists that are batches. If the dataset is broken,
        # the first batch shows where, with nothing of upsize around it.
        return None
