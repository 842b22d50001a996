"""Loaders for fastai whose workers make each image at the size of its step."""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any, TypeVar

from fastai.data.core import DataLoaders, Pipeline
from fastai.data.load import DataLoader
from torch.utils.data import DataLoader as TorchLoader

from upsize.fastai._ahead import Ahead, SizedBatches, ahead_of
from upsize.fastai._batch_tfms import pipeline_of
from upsize.fastai._callback import ProgressiveResize
from upsize.fastai._checks import check_item_tfms
from upsize.fastai._peek import image_size
from upsize.loading._dataset import SetSize
from upsize.loading._sized import copy_with
from upsize.loading._sized import sized as _sized
from upsize.resize import Resizer
from upsize.schedule import Size

__all__ = ["sized"]

Loaders = TypeVar("Loaders")


def sized(
    dls: Loaders,
    progress: ProgressiveResize | None = None,
    *,
    set_size: SetSize | None = None,
) -> Loaders:
    """Return loaders for training whose workers make images at the size of their step.

    The sizes of the item transforms are set for each batch: of fastai's ``Resize``,
    ``RandomResizedCrop``, ``RatioResize``, ``CropPad`` and ``RandomCrop``, and of those
    that :func:`upsize.loading.sized` knows. Each keeps its ratio to the full size:
    ``Resize(460)`` in front of ``aug_transforms(size=224)`` makes 230 where 112 is
    trained on. A crop in front of the resize stays as it is. What they draw at random
    is drawn as before, and at full size every sample is bit for bit the same.

    The :class:`ProgressiveResize` of each fit tells the sizes, stays behind the loader,
    and corrects and counts batches of another size. Outside of a fit, in ``lr_find``,
    and in loaders that are made of this one (``dl.new``, ``get_preds``, ``export``),
    images have their full size. Validation is not touched.

    Args:
        dls: The ``DataLoaders`` of a learner, or its training loader. They are not
            changed. A loader of PyTorch is one that :func:`upsize.loading.sized` takes.
        progress: The callback. Its full size is then compared with the transforms here,
            else when training starts.
        set_size: For loaders whose transforms are not found: ``set_size(loader, size)``
            is called in the worker, before the samples of a batch smaller than full
            size, and with the full size after them; for a loader of PyTorch with its
            dataset. Where :func:`upsize.loading.current_size` is read, it has nothing
            to do. Must be importable where workers are spawned.

    Returns:
        New loaders of the same types and settings.

    Raises:
        TypeError: For what is no loader, and a ``DistributedDL``.
        ValueError: When the loader is sized already, no item transform carries a size,
            none makes the full size, or one has a size that is not known or crops
            without a resize; each is named. When training starts: for
            ``resize_targ=True``, ``add_resize=True`` behind batch transforms with a
            size, a full size that nothing tells, and a loader of PyTorch under
            ``DistributedTrainer``.

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
    if progress is not None and not isinstance(progress, ProgressiveResize):
        raise TypeError(
            "progress must be the ProgressiveResize callback of the learner, not a "
            f"{type(progress).__name__}"
        )
    if isinstance(dls, DataLoaders):
        first, *others = dls.loaders
        return copy_with(
            dls, loaders=[sized(first, progress, set_size=set_size), *others]
        )
    _check(dls)
    final = None if progress is None else progress.final_size
    if final is None:
        final = image_size(dls, Resizer(), "the training images")
    if isinstance(dls, TorchLoader):
        ahead: Any = Ahead(final)
        return _sized(dls, ahead, set_size=set_size)
    if set_size is None:
        check_item_tfms(dls, final)
    made: Loaders = _of_fastai(dls, final, set_size)
    return made


def _check(loader: Any) -> None:
    """Refuse what cannot be sized."""
    if pipeline_of(loader)[0] is not loader:
        raise TypeError(
            f"loader must be the one inside of the {type(loader).__name__}: size it "
            "before the learner is distributed"
        )
    if not isinstance(loader, DataLoader | TorchLoader):
        raise TypeError(
            "dls must be the DataLoaders of a learner or their training loader, of "
            f"fastai or of PyTorch, not a {type(loader).__name__}"
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
            # vision_learner adds Normalize to it, which is not for the other loader.
            pipeline = copy.copy(value)
            pipeline.fs = value.fs.copy()
            setattr(new, name, pipeline)
        elif isinstance(value, MethodType) and value.__self__ is loader:
            setattr(new, name, MethodType(value.__func__, new))
    batches = SizedBatches(new, Ahead(final), set_size)
    new.create_batches, new.new = batches.create_batches, batches.new
    return new
