"""How to treat the tensors of a batch that are not images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from fastai.vision.core import TensorImageBase, TensorPoint
from torch import Tensor
from torchvision import tv_tensors

from upsize.resize._containers import leaves, replace
from upsize.resize._shown import Path
from upsize.schedule import Size

__all__ = ["policies", "repeat"]

# Types that always follow the images, whatever is asked for other targets.
_FOLLOWS = (
    TensorImageBase,  # TensorMask is one, too
    TensorPoint,
    tv_tensors.Image,
    tv_tensors.Mask,
    tv_tensors.BoundingBoxes,
    getattr(tv_tensors, "KeyPoints", tv_tensors.Mask),  # from torchvision 0.23 on
)


def count_inputs(loader: Any, batch: Any) -> int:
    """Return how many parts of a batch are inputs, by the rule of ``loader.n_inp``.

    That itself may draw a sample.
    """
    known = getattr(getattr(loader, "dataset", None), "n_inp", None)
    return known or max(1, len(batch) - 1)


def policies(targets: Any, full: Size, resize: bool) -> Mapping[Path, str]:
    """Return the policy of each target that does not follow the images by its type.

    Args:
        targets: The targets of a batch.
        full: Size of the images.
        resize: Whether those of the images' size, or of a multiple, are resized.
    """
    found = {}
    for path, leaf in leaves(targets):
        if not isinstance(leaf, Tensor) or _follows(leaf):
            continue
        policy, times = "keep", _times(leaf, full)
        if resize and times:
            blends = leaf.is_floating_point() and leaf.ndim > 3
            policy = "image" if blends else "mask"
            policy += f"*{times}" if times > 1 else ""
        found[path] = policy
    return found


def kept(targets: Any, full: Size) -> str | None:
    """Say which target has the size of the images, but no type that follows them."""
    for _, leaf in leaves(targets):
        if isinstance(leaf, Tensor) and not _follows(leaf) and _times(leaf, full) == 1:
            return (
                f"a target of shape {tuple(leaf.shape)} has the size of the images and "
                "stays at full size, since it has no type of fastai: give it one "
                "(TensorMask, TensorImage), or set resize_targ=True"
            )
    return None


def _follows(leaf: Tensor) -> bool:
    """Whether a target follows the images by its type."""
    # What fastai computes from images has their type, labels included.
    computed = isinstance(leaf, TensorImageBase) and leaf.ndim < 2
    return isinstance(leaf, _FOLLOWS) and not computed


def _times(leaf: Tensor, full: Size) -> int:
    """Return how many times the size of the images a target has; 0: no whole number."""
    if leaf.ndim <= 2:
        return 0
    height, width = leaf.shape[-2:]
    times = height // full.height
    return times if (height, width) == (times * full.height, times * full.width) else 0


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
