"""Tell torch.compile that the image size will change."""

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

    Then one graph serves every size, if the model allows it. Mark at least the first
    batch before the compiled model sees it. The mark belongs to the tensor; resizing
    makes a new tensor without it.

    Args:
        batch: A batch at its step's size. Every tensor with the height and width of its
            first image is marked.
        strict: Whether the compiler raises for a model that fixes the size; otherwise it
            compiles such a model for each size. Models that test whether the size is a
            multiple of something, as most transformers do, fix it.
        resizer: How to find the images.

    Returns:
        The same batch.

    Raises:
        ValueError: When the batch has no image.

    Example:
        >>> images = torch.rand(2, 3, 32, 32)
        >>> mark_dynamic((images, torch.zeros(2)))[0] is images
        True
    """
    size = (Resizer() if resizer is None else resizer).read(batch).size
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
