"""A loader whose workers make each image at the size that its step needs."""

from __future__ import annotations

from typing import Any, TypeVar

from torch.utils.data import DataLoader, IterableDataset

from upsize.loading._batches import PlanSizes, SizedBatchSampler
from upsize.loading._dataset import SetSize, SizedDataset
from upsize.loading._transforms import check_transforms
from upsize.run._size_source import SizeSource
from upsize.schedule import Plan

__all__ = ["check_loader", "copy_with", "sized"]

Loader = TypeVar("Loader", bound=DataLoader[Any])
Copied = TypeVar("Copied")


def sized(
    loader: Loader, resize: SizeSource | Plan, *, set_size: SetSize | None = None
) -> Loader:
    """Return the loader, with workers that make each image at the size of its step.

    It sets the sizes of the dataset's own transforms for each batch: those of
    torchvision, timm and albumentations that resize or crop, wherever the dataset
    holds them. Each keeps its ratio to the full size: at half of 224, ``Resize(256)``
    and ``CenterCrop(224)`` make 128 and 112. Random draws stay the same, and at full
    size every sample is bit-identical.

    A batch gets its size when its indices are drawn, so sizes are exact with any number
    of workers and prefetched batches. To resume within an epoch, use a loader that draws
    the rest of it, or drop the first batches of one that draws all.

    Args:
        loader: A loader of a map-style dataset, with any settings. It is not changed.
        resize: The :class:`~upsize.loop.ProgressiveResize` of the run. It still gets
            the batches, and resizes and counts those of another size than their
            step's. A plan alone counts a step per batch, and each pass over the loader
            as an epoch unless ``set_epoch`` of its batch sampler says which.
        set_size: For datasets whose transforms are not found:
            ``set_size(dataset, size)`` is called in the worker, with the dataset of
            ``loader``, before the samples of a batch smaller than full size, and with
            the full size after them. It may do nothing if the dataset reads
            :func:`current_size` by itself. Spawned workers must be able to import it.

    Returns:
        A loader of the same type and settings. Its ``dataset`` makes single samples
        at full size.

    Raises:
        TypeError: For an ``IterableDataset``, and for anything but a ``DataLoader``.
        ValueError: When the loader makes no batches or is sized already, no transform
            of the dataset makes the full size, or one is unknown and has a size, or
            crops without a resize before it; names each.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader, Dataset
        >>> from torchvision.transforms.v2 import CenterCrop, Compose, Resize
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> class Images(Dataset):
        ...     transform = None
        ...     def __init__(self):
        ...         self.transform = Compose([Resize(72), CenterCrop(64)])
        ...     def __len__(self):
        ...         return 12
        ...     def __getitem__(self, index):
        ...         return self.transform(torch.rand(3, 80, 100))
        >>> loader = DataLoader(Images(), batch_size=4)
        >>> resize = ProgressiveResize(Ramp(final_size=64), total_steps=6)
        >>> loader = sized(loader, resize)
        >>> [batch.shape[-1] for batch in loader]
        [32, 32, 32]
    """
    check_loader(loader)
    source: SizeSource = PlanSizes(resize) if isinstance(resize, Plan) else resize
    if not hasattr(source, "sizes_ahead"):
        raise TypeError(
            "resize must be the ProgressiveResize of the run or a plan, not a "
            f"{type(resize).__name__}"
        )
    if set_size is None:
        check_transforms(loader.dataset, source.final_size)
    return copy_with(
        loader,
        dataset=SizedDataset(loader.dataset, set_size),
        batch_sampler=SizedBatchSampler(loader.batch_sampler, source),
        _iterator=None,  # of persistent workers, which have another dataset
    )


def copy_with(loader: Copied, **changed: Any) -> Copied:
    """Return a copy of a loader with other attributes, guarded ones included."""
    # Not copy.copy: a loader of Accelerate reduces itself to another one.
    new = object.__new__(type(loader))
    vars(new).update(vars(loader) | changed)
    return new


def check_loader(loader: Any) -> None:
    """Refuse a loader that cannot be sized.

    Raises:
        TypeError, ValueError: Saying why and what to do instead.
    """
    # Not isinstance: a loader of Accelerate says of itself that it is a DataLoader.
    if not issubclass(type(loader), DataLoader):
        of_accelerate = type(loader).__module__.startswith("accelerate.")
        where = (
            "with upsize.accelerate.sized" if of_accelerate else "before it is wrapped"
        )
        raise TypeError(
            "loader must be a torch.utils.data.DataLoader, not a "
            f"{type(loader).__name__}: size the loader {where}"
        )
    if isinstance(loader.dataset, IterableDataset):
        raise TypeError(
            f"{type(loader.dataset).__name__} is an IterableDataset, whose workers "
            "make samples without being asked for a batch: use ProgressiveResize "
            "alone, which resizes on the device, or a map-style dataset"
        )
    if isinstance(loader.dataset, SizedDataset):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            "the loader is sized already: give the one that it was made from"
        )
    if loader.batch_sampler is None:
        raise ValueError(
            "the loader makes no batches (batch_size=None), and a size belongs to a "
            "batch: give the DataLoader a batch_size or a batch_sampler"
        )
