"""A fastai loader's transforms of single items, presented as those of a dataset."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from fastai.data.core import Datasets, Pipeline, TfmdLists, Transform
from fastai.torch_core import TensorMask
from fastai.vision.core import PILMask, TensorBBox, TensorPoint
from torch.utils.data import Dataset

__all__ = ["ItemTransforms"]


class ItemTransforms(Dataset[Any]):
    """Holds the transforms of a loader's items where a dataset holds its own.

    These are the transforms of ``Datasets`` and ``TfmdLists``, then the item
    transforms, then those of the list of items that becomes a batch; other datasets are
    held unchanged. Transforms of another split are left out.

    Args:
        loader: A fastai loader.

    Attributes:
        positions: Whether items have points, boxes or masks, in pixels of their files.
    """

    def __init__(self, loader: Any) -> None:
        dataset = loader.dataset
        split = getattr(dataset, "split_idx", None)
        self.datasets: list[Any] = []
        self.transform: list[Any] = []
        self.positions = False
        if isinstance(dataset, Datasets | TfmdLists):
            for one in getattr(dataset, "tls", [dataset]):
                self.transform.append(list(_flat(one.tfms, one.tfms.split_idx)))
                self.positions |= _has_positions(one)
        else:
            # Its class may not be a PyTorch Dataset, and only these are searched.
            self.datasets.append(
                dataset if isinstance(dataset, Dataset) else _Held(dataset)
            )
        for name in ("after_item", "before_batch"):
            value = getattr(loader, name)
            # The loader's own method does nothing.
            if getattr(value, "__self__", None) is not loader:
                self.transform += _flat(value, split)


class _Held(Dataset[Any]):
    """The attributes of an object."""

    def __init__(self, owner: Any) -> None:
        vars(self).update(getattr(owner, "__dict__", {}))


def _flat(transform: Any, split: int | None) -> Iterator[Any]:
    """Yield the transforms of a pipeline that are applied in a split, in order."""
    if isinstance(transform, Pipeline):
        for each in transform.fs:
            yield from _flat(each, split)
    elif getattr(transform, "split_idx", None) in (None, split):
        yield _callable(transform)


def _callable(transform: Any) -> Any:
    """Return the object that fastai made a transform of, or the transform."""
    if type(transform) is Transform:
        encodes = getattr(transform, "encodes", None)
        for method in getattr(encodes, "methods", ()):
            made = method.implementation
            # fastai wraps objects without a name, such as modules, in its own function.
            if (
                isinstance(made, FunctionType)
                and made.__module__ == Transform.__module__
            ):
                return inspect.getclosurevars(made).nonlocals["f"]
    return transform


def _has_positions(items: Any) -> bool:
    """Return whether the items of a list become points, boxes or masks."""
    kinds = (TensorPoint, TensorBBox, TensorMask, PILMask)
    made = (each for each in getattr(items, "types", ()) if isinstance(each, type))
    return any(issubclass(each, kinds) for each in made)
