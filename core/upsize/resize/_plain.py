"""Batches of plain tensors that leave nothing to ask: they are not walked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["plain_first"]

_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8)


def plain_first(batch: Any) -> Tensor | None:
    """Return a plain tensor, or the first of a tuple or list of such, if it is an image.

    Nearly every batch is one: images, or views of one shape, with labels of one or two
    dims. Nothing else of it is read until it is resized.
    """
    parts = batch if type(batch) in (tuple, list) and batch else (batch,)
    image: Any = parts[0]
    for part in parts:  # not all(...): this runs at every step, resized or not
        if type(part) is not Tensor:
            return None
        if part.ndim > 2 and part is not image and not _is_view(part, image):
            return None
    is_image = image.ndim >= 4 and image.dtype in _DTYPES and not image.is_nested
    # Unless the last dim may count the channels.
    return image if is_image and image.shape[-1] > 4 else None


def _is_view(part: Tensor, image: Tensor) -> bool:
    if part.is_nested or image.is_nested:
        return False
    return part.shape == image.shape and part.dtype == image.dtype
