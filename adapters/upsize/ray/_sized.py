"""Loaders of Ray Train whose workers make each image at the size of its step."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from ray.train.torch.train_loop_utils import _WrappedDataLoader
from torch import distributed
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from upsize.loading._dataset import SetSize
from upsize.loading._sized import sized as _sized
from upsize.run._size_source import SizeSource
from upsize.schedule import Plan

__all__ = ["sized"]

Loader = TypeVar("Loader", bound=DataLoader[Any])


def sized(
    loader: Loader, resize: SizeSource, *, set_size: SetSize | None = None
) -> Loader:
    """Return a prepared loader with workers that make images at the size of their step.

    Like :func:`upsize.loading.sized`, for the loader that
    ``ray.train.torch.prepare_data_loader`` returns: the transfer to the device and
    ``loader.sampler.set_epoch`` work as before, and all workers of Ray have the same
    size in a step.

    Args:
        loader: The prepared loader. It is not changed.
        resize: The :class:`~upsize.loop.ProgressiveResize` of the loop, made with
            ``steps_per_epoch=len(loader)``, the batches of one worker.
        set_size: For datasets whose transforms are not found, see
            :func:`upsize.loading.sized`.

    Returns:
        A prepared loader with the same device and settings.

    Raises:
        TypeError: When ``resize`` is a plan alone, which cannot know that Ray takes each
            batch before the one that the loop trains on is done.
        ValueError: When the loader is not prepared and there are several workers, and
            as :func:`upsize.loading.sized` does.

    Example:
        >>> import torch
        >>> from ray.train import ScalingConfig
        >>> from ray.train.torch import TorchTrainer, prepare_data_loader
        >>> from torchvision.datasets import FakeData
        >>> from torchvision.transforms.v2 import Compose, PILToTensor, RandomResizedCrop
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> crop = Compose([PILToTensor(), RandomResizedCrop(64)])
        >>> data = FakeData(12, (3, 80, 80), transform=crop)
        >>> def train():
        ...     loader = prepare_data_loader(torch.utils.data.DataLoader(data, 4))
        ...     resize = ProgressiveResize(
        ...         Ramp(final_size=64, increase_by=16), epochs=4,
        ...         steps_per_epoch=len(loader),
        ...     )
        ...     loader = sized(loader, resize)
        ...     for epoch in range(4):
        ...         print(epoch, [x.shape[-1] for x, _ in resize.batches(loader)])
        ...     print(resize.mismatched)
        >>> # No workers: in this process, to try it.
        >>> _ = TorchTrainer(train, scaling_config=ScalingConfig(num_workers=0)).fit()
        0 [32, 32, 32]
        1 [32, 32, 32]
        2 [48, 48, 48]
        3 [64, 64, 64]
        0
    """
    if isinstance(resize, Plan):
        raise TypeError(
            "resize is a plan, which counts the batches that are taken from the loader, "
            "and Ray takes each of them one step ahead: give the ProgressiveResize of "
            "the run"
        )
    if isinstance(loader, _WrappedDataLoader):
        inner = sized(_inner_of(loader), resize, set_size=set_size)
        return cast(Loader, _wrapped_like(loader, inner))
    new = _sized(loader, resize, set_size=set_size)
    _check_split(loader)
    return new


def _check_split(loader: DataLoader[Any]) -> None:
    """Refuse a loader of which each worker would draw every sample.

    ``prepare_data_loader`` returns a ``DataLoader`` itself with ``move_to_device=False``.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return
    if isinstance(loader.dataset, IterableDataset):
        return  # it splits its samples itself; Ray does not
    if not isinstance(loader.sampler, DistributedSampler):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            f"the loader is a {type(loader).__name__} that prepare_data_loader has not "
            "seen, so every worker would train on all samples: give what "
            "ray.train.torch.prepare_data_loader returns; if a batch sampler of your "
            "own splits the samples, use upsize.loading.sized"
        )


def _inner_of(loader: Any) -> Any:
    """Return the loader whose batches a prepared one moves to its device (Ray 2.60)."""
    return loader._dataloader


def _wrapped_like(loader: Any, inner: Any) -> Any:
    """Return another loader prepared as this one is (Ray 2.60)."""
    return type(loader)(inner, loader.device, loader._auto_transfer)
