"""Tell torch.compile that the size of the images will change."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from upsize.resize import Resizer
from upsize.resize._containers import leaves

__all__ = ["mark_dynamic"]

Batch = TypeVar("Batch")


def mark_dynamic(
    batch: Batch, *, strict: bool = False, resizer: Resizer | None = None
) -> Batch:
    """Mark height and width of a batch's images as dynamic for ``torch.compile``.

    One graph then serves every size, where the model allows it. Mark the first batch, at
    least, before the compiled model sees it; a mark is on the tensor, and resizing gives
    new ones.

    Args:
        batch: A batch at its step's size. Every tensor whose last two dims are those of
            its first image is marked.
        strict: Whether a model that fixes the size after all is an error of the compiler;
            else it is compiled for each size. Models that test the size against a
            multiple, as most transformers do, fix it in this sense.
        resizer: How to find the images.

    Returns:
        The same batch.

    Raises:
        ValueError: When there is no image.

    Example:
        >>> images = torch.rand(2, 3, 32, 32)
        >>> mark_dynamic((images, torch.zeros(2)))[0] is images
        True
    """
    size = (Resizer() if resizer is None else resizer).image_size(batch)
    mark = torch._dynamo.mark_dynamic if strict else torch._dynamo.maybe_mark_dynamic
    for _, leaf in leaves(batch):
        if (
            isinstance(leaf, Tensor)
            and leaf.ndim >= 3
            and tuple(leaf.shape[-2:]) == size
        ):
            for dim in (leaf.ndim - 2, leaf.ndim - 1):
                mark(leaf, dim)
    return batch
