"""How to treat the tensors of a batch that are not images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastai.vision.core import TensorImageBase, TensorPoint
from torch import Tensor
from torchvision import tv_tensors

from upsize.resize import Resizer
from upsize.resize._containers import leaves
from upsize.resize._resizer import BatchMode
from upsize.resize._shown import Path
from upsize.schedule import Size
from upsize.schedule._warn import warn

__all__ = ["TargetResizer", "count_inputs"]

# Types that always follow the images, whatever is asked for other targets.
_FOLLOWS = (
    TensorImageBase,  # TensorMask is one, too
    TensorPoint,
    tv_tensors.Image,
    tv_tensors.Mask,
    tv_tensors.BoundingBoxes,
    getattr(tv_tensors, "KeyPoints", tv_tensors.Mask),  # from torchvision 0.23 on
)


class TargetResizer:
    """Resizes the inputs of batches, with the targets that follow them.

    Args:
        mode: How images are resized.
        resize: Whether targets without a type follow that have the size of the images,
            or a multiple of it.
    """

    def __init__(self, mode: BatchMode, resize: bool) -> None:
        self._mode, self._resize = mode, resize
        self._warned = False  # of a target that stays at full size

    def resizer(self, targets: Any, images: Size) -> Resizer:
        """Return a resizer of (inputs, targets), whose inputs have the size ``images``.

        Warns:
            UserWarning: Once, when a target has that size and stays as it is.
        """
        if not self._resize and not self._warned and (text := _kept(targets, images)):
            self._warned = True
            warn(text)
        return self.named(1, targets, images)

    def named(self, place: int | str, targets: Any, images: Size) -> Resizer:
        """Return a resizer of a container that holds the targets in some place."""
        follow = _policies(targets, images, self._resize)
        named = {(place, *path): policy for path, policy in follow.items()}
        return Resizer(mode=self._mode, targets=named)

    def resized(self, loader: Any, batch: Any, images: Size, size: Size) -> Any:
        """Return a batch of a loader with its inputs at another size than ``images``."""
        parts = batch if isinstance(batch, tuple | list) else (batch,)
        count = count_inputs(loader, parts)
        both = tuple(parts[:count]), tuple(parts[count:])
        found = self.resizer(both[1], images).read(both, full=images)
        inputs, targets = found.at(size)
        new = [*inputs, *targets]
        return type(batch)(new) if isinstance(batch, tuple | list) else new[0]


def count_inputs(loader: Any, batch: Any) -> int:
    """Return how many parts of a batch are inputs, by the rule of ``loader.n_inp``.

    That itself may draw a sample.
    """
    known = getattr(getattr(loader, "dataset", None), "n_inp", None)
    return known or max(1, len(batch) - 1)


def _policies(targets: Any, full: Size, resize: bool) -> Mapping[Path, str]:
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


def _kept(targets: Any, full: Size) -> str | None:
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
