"""A collate function that keeps the types of torchvision."""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor
from torch.utils.data._utils.collate import collate, default_collate_fn_map

__all__ = ["collate_tv_tensors"]


def collate_tv_tensors(samples: list[Any]) -> Any:
    """Make a batch like torch's ``default_collate``, and keep torchvision's types.

    ``default_collate`` stacks typed tensors to plain ones, so nobody can tell a mask from
    an image, or boxes from other numbers, in the batch. Give this function to a
    ``DataLoader`` as ``collate_fn=``: every ``Image``, ``Video``, ``Mask``,
    ``BoundingBoxes`` and ``KeyPoints`` keeps its type, its format and its
    ``canvas_size``, and follows the images by itself.

    Args:
        samples: The samples of a batch, alike: any nesting of containers. Tensors at
            the same place must have one shape, and the same type and attributes.

    Returns:
        The batch, as ``default_collate`` makes it in all other respects.

    Raises:
        TypeError: When only some of the samples have a type at a place.
        ValueError: When typed tensors at a place differ in shape, format or
            ``canvas_size``.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader
        >>> from torchvision import tv_tensors
        >>> from upsize.loading import collate_tv_tensors
        >>> from upsize.resize import Resizer
        >>> image = tv_tensors.Image(torch.rand(3, 64, 64))
        >>> mask = tv_tensors.Mask(torch.zeros(1, 64, 64, dtype=torch.uint8))
        >>> loader = DataLoader([(image, mask)] * 4, 2, collate_fn=collate_tv_tensors)
        >>> images, masks = Resizer()(next(iter(loader)), 32)
        >>> type(masks).__name__, masks.shape, masks.dtype
        ('Mask', torch.Size([2, 1, 32, 32]), torch.uint8)
    """
    functions: dict[Any, Any] = default_collate_fn_map | {Tensor: _stacked}
    return collate(samples, collate_fn_map=functions)


def _stacked(samples: list[Any], *, collate_fn_map: dict[Any, Any]) -> Any:
    """Return the tensors at a place as one, of their type."""
    stack: Any = default_collate_fn_map[Tensor]
    # Whoever holds a typed tensor has imported its module: we need not.
    vision: Any = sys.modules.get("torchvision.tv_tensors")
    if vision is None or not any(isinstance(each, vision.TVTensor) for each in samples):
        return stack(samples, collate_fn_map=collate_fn_map)
    first = samples[0]
    kind = type(first)
    if any(type(each) is not kind for each in samples):
        found = ", ".join(dict.fromkeys(type(each).__name__ for each in samples))
        raise TypeError(
            f"the samples of a batch have {found} at one place: let the dataset return "
            "the same type for every sample"
        )
    if any(each.shape != first.shape for each in samples):
        found = ", ".join(str(tuple(each.shape)) for each in samples[:4])
        raise ValueError(
            f"the samples of a batch have {kind.__name__} of shapes {found}, which "
            "cannot be stacked: make them equal, or collate lists, which keep their "
            "types: collate_fn=lambda samples: tuple(zip(*samples))"
        )
    if any(vars(each) != vars(first) for each in samples):
        found = ", ".join(dict.fromkeys(str(vars(each)) for each in samples))
        raise ValueError(
            f"the samples of a batch have {kind.__name__} with different attributes, "
            f"and a batch has one for all: {found}"
        )
    plain = [each.as_subclass(Tensor) for each in samples]
    typed = stack(plain, collate_fn_map=collate_fn_map).as_subclass(kind)
    vars(typed).update(vars(first))
    return typed
