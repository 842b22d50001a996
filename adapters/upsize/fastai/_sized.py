"""Loaders for fastai whose workers make each image at the size of its step."""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any, TypeVar

from fastai.data.core import DataLoaders, Pipeline
from fastai.data.load import DataLoader
from torch.utils.data import DataLoader as TorchLoader
from torch.utils.data import IterableDataset

from upsize.fastai._ahead import Ahead, SizedBatches, ahead_of
from upsize.fastai._batch_tfms import pipeline_of
from upsize.fastai._callback import ProgressiveResize
from upsize.fastai._checks import check_item_tfms
from upsize.fastai._peek import image_size
from upsize.loading._dataset import SetSize
from upsize.loading._sized import copy_with
from upsize.loading._sized import sized as _sized
from upsize.resize import Resizer
from upsize.run._batches import length_of
from upsize.run._refusals import check_callback
from upsize.schedule import Size

__all__ = ["sized"]

Loaders = TypeVar("Loaders")


def sized(
    dls: Loaders,
    resize: ProgressiveResize | None = None,
    *,
    set_size: SetSize | None = None,
) -> Loaders:
    """Return loaders for training whose workers make images at the size of their step.

    The sizes of the item transforms are set for each batch: those of fastai's
    ``Resize``, ``RandomResizedCrop``, ``RatioResize``, ``CropPad`` and ``RandomCrop``,
    and those that :func:`upsize.loading.sized` knows. Each keeps its ratio to the full
    size: ``Resize(460)`` before ``aug_transforms(size=224)`` makes 230 when training at
    112. A crop before the resize is unchanged. Random draws are the same as without
    ``sized``, and at full size every sample is bit-identical.

    The :class:`ProgressiveResize` of each fit provides the sizes, and corrects and
    counts batches of another size after the loader. Outside of a fit, in ``lr_find``,
    and in loaders made from this one (``dl.new``, ``get_preds``, ``export``), images
    have their full size. Validation is unchanged.

    Args:
        dls: The ``DataLoaders`` of a learner, or its training loader. They are not
            changed. A PyTorch loader must be one that :func:`upsize.loading.sized`
            accepts. A loader of a stream must have a length, and one of PyTorch needs
            ``resize`` with a final size.
        resize: The callback. With it, the full size is compared with the transforms
            here; without it, when training starts.
        set_size: For loaders whose transforms are not found: ``set_size(loader, size)``
            is called in the worker, before the samples of a batch smaller than full
            size, and with the full size after them; for a PyTorch loader the dataset is
            passed instead. It may do nothing if the dataset reads
            :func:`upsize.loading.current_size`. Must be importable where workers are
            spawned.

    Returns:
        New loaders of the same types and settings.

    Raises:
        TypeError: For an object that is not a loader, and for a ``DistributedDL``.
        ValueError: When the loader has no length or is sized already, no item transform
            has a size, none makes the full size, or one has an unknown size or crops
            without resizing; each is named. When training starts: for ``resize_targ=True``,
            ``add_resize=True`` after batch transforms with a size, an unknown full
            size, and a PyTorch loader under ``DistributedTrainer``.

    Example:
        >>> import numpy as np
        >>> from fastai.data.block import CategoryBlock, DataBlock
        >>> from fastai.vision.augment import RandomResizedCrop
        >>> from fastai.vision.data import ImageBlock
        >>> block = DataBlock(
        ...     (ImageBlock, CategoryBlock(vocab=[0, 1])),
        ...     get_x=lambda n: np.full((80, 100, 3), n, dtype=np.uint8),
        ...     get_y=lambda n: n % 2,
        ...     item_tfms=RandomResizedCrop(64),
        ... )
        >>> dls = sized(block.dataloaders(range(20), bs=4, num_workers=0, device="cpu"))
        >>> dls.one_batch()[0].shape[-1]  # learn.fit(..., cbs=resize): 32, 36, ... 64
        64
    """
    if resize is not None:
        check_callback(resize, ProgressiveResize, "callback of the learner")
    if isinstance(dls, DataLoaders):
        first, *others = dls.loaders
        return copy_with(
            dls, loaders=[sized(first, resize, set_size=set_size), *others]
        )
    _check(dls)
    final = None if resize is None else resize.final_size
    if final is None:
        final = image_size(dls, Resizer(), "the training images")
    if isinstance(dls, TorchLoader):
        if final is None and isinstance(dls.dataset, IterableDataset):
            raise ValueError(
                f"the full size is not known, and a {type(dls.dataset).__name__} cannot "
                "be asked for a sample that tells it: give sized() the callback, and "
                "final_size= to ProgressiveResize or to its schedule"
            )
        ahead: Any = Ahead(final)
        return _sized(dls, ahead, set_size=set_size)
    if set_size is None:
        check_item_tfms(dls, final)
    made: Loaders = _of_fastai(dls, final, set_size)
    return made


def _check(loader: Any) -> None:
    """Refuse loaders that cannot be sized."""
    if pipeline_of(loader)[0] is not loader:
        raise TypeError(
            f"a {type(loader).__name__} cannot be sized: size the loader before the "
            "learner is distributed"
        )
    if not isinstance(loader, DataLoader | TorchLoader):
        raise TypeError(
            "dls must be the DataLoaders of a learner or their training loader, of "
            f"fastai or of PyTorch, not a {type(loader).__name__}"
        )
    if length_of(loader) is None:
        raise ValueError(
            f"the {type(loader).__name__} has no length, and fastai trains on a number "
            "of batches: give the dataset a __len__, or make a fastai loader with n=, "
            "the samples of an epoch, as TfmdDL(dataset, bs=64, n=50_000)"
        )
    if ahead_of(loader) is not None:
        raise ValueError(
            "the loader is sized already: give the one that it was made from"
        )


def _of_fastai(loader: Any, final: Size | None, set_size: SetSize | None) -> Any:
    new = copy_with(loader, rng=copy.copy(loader.rng))
    new.fake_l = copy_with(loader.fake_l, d=new, default=new)
    new.fake_l.dataset = new.fake_l  # what the workers iterate
    for name, value in vars(loader).items():
        if isinstance(value, Pipeline):
            # vision_learner adds Normalize to it, which the other loader must not get.
            pipeline = copy.copy(value)
            pipeline.fs = value.fs.copy()
            setattr(new, name, pipeline)
        elif isinstance(value, MethodType) and value.__self__ is loader:
            setattr(new, name, MethodType(value.__func__, new))
    batches = SizedBatches(new, Ahead(final), set_size)
    new.create_batches, new.new = batches.create_batches, batches.new
    return new
