"""How to treat the tensors of a batch that are not images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from fastai.torch_core import TensorMask
from fastai.vision.core import TensorPoint
from torch import Tensor
from torchvision import tv_tensors

from upsize.resize._containers import leaves, replace
from upsize.resize._shown import Path
from upsize.schedule import Size

__all__ = ["policies", "repeat"]

# Types that always follow the images, whatever is asked for other targets.
_FOLLOWS = (
    TensorMask,
    TensorPoint,
    tv_tensors.Mask,
    tv_tensors.BoundingBoxes,
    getattr(tv_tensors, "KeyPoints", tv_tensors.Mask),  # from torchvision 0.23 on
)


def policies(targets: Any, full: Size, resize: bool) -> Mapping[Path, str]:
    """Return the policy of each target that does not follow the images by its type."""
    found = {}
    for path, leaf in leaves(targets):
        if not isinstance(leaf, Tensor) or isinstance(leaf, _FOLLOWS):
            continue
        sides: tuple[int, ...] = leaf.shape[-2:]
        policy = "keep"
        if resize and leaf.ndim > 2 and sides == full:
            blends = leaf.is_floating_point() and leaf.ndim > 3
            policy = "image" if blends else "mask"
        found[(1, *path)] = policy
    return found


def repeat(inputs: Any, rows: int | None) -> Any:
    """Return inputs with ``rows`` rows, by repeating the existing ones."""
    if rows is None:
        return inputs
    chosen = {
        path: x[torch.arange(rows, device=x.device) % len(x)]
        for path, x in leaves(inputs)
        if isinstance(x, Tensor) and x.ndim
    }
    return replace(inputs, chosen)
