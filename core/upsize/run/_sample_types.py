"""Whether tensors of a batch have lost the types that a sample's tensors have."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from upsize.resize._containers import Node, leaves
from upsize.resize._shown import Path

__all__ = ["may_have_lost", "with_types"]

_NUMBERS = (2, 3, 4, 5, 8)  # of points and boxes


def may_have_lost(batch: Any) -> bool:
    """Whether a batch has a plain tensor besides one that may be its images."""
    tensors = [leaf for _, leaf in leaves(batch) if isinstance(leaf, Tensor)]
    # Nested tensors, which have no shape, are refused where the batch is resized.
    shapes = [
        () if leaf.is_nested else tuple(leaf.shape)
        for leaf in tensors
        if type(leaf) is Tensor
    ]
    # Labels have one dim; soft labels two, as boxes that a collate function joins.
    some = [s for s in shapes if len(s) > 2 or (len(s) == 2 and s[-1] in _NUMBERS)]
    return len(some) > (len(shapes) == len(tensors))


def with_types(tree: Any, like: Any, *, images: bool) -> dict[Path, Tensor]:
    """Return the tensors of a batch that have lost their types, with their types.

    Args:
        tree: The batch, parsed.
        like: A batch of one sample, parsed, with its types.
        images: Whether an image may have lost its type as well.
    """
    return {
        path: _wrapped(leaf, model)
        for path, leaf, model in _pairs(tree, like, ())
        if _has_lost(leaf, model, images=images)
    }


def _pairs(node: Any, like: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Yield (path, leaf, leaf of the sample) where a batch is made as its samples."""
    if type(node) is not Node or type(like) is not Node:
        if type(node) is not Node and type(like) is not Node:
            yield path, node, like
        return
    mine, its = node.children, like.children
    if isinstance(node.value, Mapping) or len(mine) == len(its):
        for key in mine:
            if key in its:
                yield from _pairs(mine[key], its[key], (*path, key))
    elif list(its) == [0]:  # a list with one item for each sample
        for key, child in mine.items():
            yield from _pairs(child, its[0], (*path, key))


def _has_lost(leaf: Any, like: Any, *, images: bool) -> bool:
    """Whether ``leaf`` is a plain tensor that may have had the type of ``like``."""
    vision: Any = sys.modules["torchvision.tv_tensors"]
    if type(leaf) is not Tensor or not isinstance(like, vision.TVTensor):
        return False
    if hasattr(like, "canvas_size"):
        return leaf.ndim >= 2 and leaf.shape[-1] == like.shape[-1]
    return leaf.ndim >= 3 and (images or isinstance(like, vision.Mask))


def _wrapped(leaf: Tensor, like: Tensor) -> Tensor:
    """Return a view of ``leaf`` of the type of ``like``, and with its attributes."""
    # Not torchvision's wrap: it takes no batches of boxes.
    typed = leaf.as_subclass(type(like))
    vars(typed).update(vars(like))
    return typed
