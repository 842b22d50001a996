"""A loader whose workers make each image at the size that its step needs."""

from __future__ import annotations

from typing import Any, TypeVar

from torch.utils.data import DataLoader, IterableDataset

from upsize.loading._batches import PlanClock, Progress, SizedBatchSampler
from upsize.loading._dataset import SetSize, SizedDataset
from upsize.loading._transforms import check_transforms
from upsize.schedule import Plan

__all__ = ["check_loader", "copy_with", "sized"]

Loader = TypeVar("Loader", bound=DataLoader[Any])
Copied = TypeVar("Copied")


def sized(
    loader: Loader, progress: Progress | Plan, *, set_size: SetSize | None = None
) -> Loader:
    """Return the loader, with workers that make each image at the size of its step.

    The sizes of the dataset's own transforms are set for each batch: those of
    torchvision, timm and albumentations that resize or crop, wherever the dataset
    holds them. Each keeps its ratio to the full size: ``Resize(256)`` and
    ``CenterCrop(224)`` make 128 and 112 at half of 224. What they draw at random is
    drawn as before, and at full size every sample is bit for bit the same.

    The size of a batch is settled when its indices are drawn, so it is exact with any
    number of workers and batches ahead. A run that is resumed within an epoch goes on
    with a loader that draws the rest of it, or with one that draws all and of which
    the first batches are dropped.

    Args:
        loader: A loader of a map-style dataset, with any of its settings. It is not
            changed.
        progress: The :class:`~upsize.loop.ProgressiveResize` of the run, which stays
            behind the loader, and then corrects and counts batches of another size. A
            plan alone counts a step per batch, and the passes over the loader as
            epochs unless ``set_epoch`` of its batch sampler tells them.
        set_size: For datasets whose transforms are not found:
            ``set_size(dataset, size)`` is called in the worker, with the dataset of
            ``loader``, before the samples of a batch smaller than full size, and with
            the full size after them. Where the dataset reads
            :func:`current_size` by itself, it has nothing to do. Must be importable
            where workers are spawned.

    Returns:
        A loader of the same type and settings. Its ``dataset`` makes single samples
        at full size.

    Raises:
        TypeError: For an ``IterableDataset``, and for what is no ``DataLoader``.
        ValueError: When the loader makes no batches or is sized already, no transform
            of the dataset makes the full size, or one has a size that is not known or
            crops without a resize before it; each is named.

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
    clock: Progress = PlanClock(progress) if isinstance(progress, Plan) else progress
    if not hasattr(clock, "sizes_ahead"):
        raise TypeError(
            "progress must be the ProgressiveResize of the run or a plan, not a "
            f"{type(progress).__name__}"
        )
    if set_size is None:
        check_transforms(loader.dataset, clock.plan.final_size)
    clock.expect_sized()
    return copy_with(
        loader,
        dataset=SizedDataset(loader.dataset, set_size),
        batch_sampler=SizedBatchSampler(loader.batch_sampler, clock),
        _iterator=None,  # of persistent workers, which have another dataset
    )


def copy_with(loader: Copied, **changed: Any) -> Copied:
    """Return a copy of a loader with other attributes, of those that it guards, too."""
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
