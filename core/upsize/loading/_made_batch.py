"""The samples of a batch that were made as one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import is_
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from upsize.loading._batches import SizedBatch
from upsize.loading._collate import collate_tv_tensors
from upsize.schedule import Size

__all__ = ["MadeBatch", "empty_batch"]


class MadeBatch(SizedBatch):
    """The samples of a batch, and their images as one tensor.

    Each sample is a pair, whose image is a view of that tensor: code that collates by
    itself finds the list of samples that it expects.

    Args:
        images: The images, (N, C, H, W).
        targets: A target for each.
        size: Size of the batch.
        full: The full size.
    """

    def __init__(
        self, images: Tensor, targets: list[Any], size: Size, full: Size
    ) -> None:
        kind: Any = type(images)
        each: Any = images.as_subclass(Tensor).unbind(0)
        if kind is not Tensor:
            each = (image.as_subclass(kind) for image in each)
        super().__init__(zip(each, targets, strict=True), size, full)
        self._images, self._targets = images, targets
        self._samples = tuple(self)

    def __getitem__(self, key: Any) -> Any:
        return list.__getitem__(self, key)

    def __reduce__(self) -> tuple[Callable[..., SizedBatch], Any]:
        return SizedBatch, (list(self), self.size, self.full)

    def collated(self, collate: Any) -> list[Any] | None:
        """Return what ``collate`` makes of the samples, without copying their images.

        Args:
            collate: The function of the loader.

        Returns:
            The batch; ``None``: it is for ``collate`` to make, as that is not torch's
            own or :func:`collate_tv_tensors`, or the samples are others by now.
        """
        if collate is not default_collate and collate is not collate_tv_tensors:
            return None
        if len(self) != len(self._samples) or not all(map(is_, self, self._samples)):
            return None
        images = self._images
        if collate is default_collate:
            images = images.as_subclass(Tensor)  # it drops types
        targets: Any = tuple(self._targets)  # of any type; texts are given back
        return [images, collate(targets)]


def empty_batch(
    shape: tuple[int, ...], dtype: torch.dtype, *, like: Tensor | None = None
) -> Tensor:
    """Return a tensor for a batch of images: in a worker, where all processes see it.

    Args:
        shape: (N, C, H, W).
        dtype: Type of its numbers.
        like: A tensor of whose type it is, in torch's usual order of memory; ``None``:
            a plain tensor in the order of channels_last, in which images are decoded.
    """
    number, channels, height, width = shape
    order = (number, height, width, channels) if like is None else shape
    if get_worker_info() is None:
        batch = torch.empty(order, dtype=dtype, device="cpu")
    else:
        # As torch's own collation does it: else the batch would be copied once more, on
        # its way to the main process.
        count = math.prod(shape) * dtype.itemsize
        kind: Any = torch.UntypedStorage
        storage = kind._new_shared(count, device="cpu")
        batch = torch.empty(0, dtype=dtype, device="cpu").set_(storage).view(order)
    if like is None:
        return batch.permute(0, 3, 1, 2)
    return batch if type(like) is Tensor else batch.as_subclass(type(like))
