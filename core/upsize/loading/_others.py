"""Loaders that cannot be sized, and what to do with each: names only, none is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset
from torch.utils.data.dataloader import _BaseDataLoaderIter

from upsize.loading._dataset import SizedDataset
from upsize.loading._streams import SizedStream

__all__ = ["check_loader", "check_type"]

_ALONE = "use ProgressiveResize alone, which resizes on the device"

# {first names of the module of a class or of a base: what to do}.
_LOADERS = {
    "ffcv": "FFCV decodes images in its own compiled pipeline: set output_size of its "
    "decoder to plan.size_at(step) before an epoch, or " + _ALONE,
    "nvidia.dali": "a DALI pipeline makes its batches by itself: give fn.resize the "
    "sizes of size_stage(resize), by fn.external_source(batch_info=True), or " + _ALONE,
    "grain": "Grain makes its batches by itself: write "
    "data.batch(...).map_with_index(size_stage(resize)), or " + _ALONE,
    "spdl": "an SPDL pipeline makes its batches by itself: number them in its source, "
    'make each at size_stage(resize).size_of(number), with output_order="input", or '
    + _ALONE,
    "webdataset": "give it to a WebLoader or a DataLoader, which has the workers, and "
    "size that",
    "torchdata.nodes": "nodes of torchdata make batches by themselves: let a node count "
    "them, and give each its size by size_stage(resize), or " + _ALONE,
    "torchdata.dataloader2": "DataLoader2 reads samples from a pipe, without being asked "
    "for a batch: " + _ALONE,
    "fastai": "use upsize.fastai.sized, which takes loaders of fastai",
    "accelerate": "use upsize.accelerate.sized, which takes prepared loaders",
    "ray.train": "use upsize.ray.sized, which takes what prepare_data_loader returns",
    "ray.data": "Ray Data cuts batches from rows that are made already: " + _ALONE,
    "lightning.pytorch": "use upsize.lightning.sized for each DataLoader that it holds",
    "pytorch_lightning": "use upsize.lightning.sized for each DataLoader that it holds",
    "tqdm": "a progress bar goes around the batches: size the loader, then write "
    "tqdm(resize.batches(loader))",
    "tensorflow": "TensorFlow makes its batches by itself: " + _ALONE,
}
_MOST = 64  # attributes of a wrapper that are looked at


def check_type(loader: Any) -> None:
    """Refuse what is not a ``DataLoader``, and say how its images can get the size.

    Raises:
        TypeError: Naming it and what to do instead.
    """
    # Not isinstance: a loader of Accelerate says of itself that it is a DataLoader.
    if issubclass(type(loader), DataLoader):
        return
    name = type(loader).__name__
    raise TypeError(
        f"loader must be a torch.utils.data.DataLoader, not a {name}: {_advice(loader)}"
    )


def check_loader(loader: Any) -> None:
    """Refuse a loader that cannot be sized.

    Raises:
        TypeError, ValueError: Saying why and what to do instead.
    """
    check_type(loader)
    dataset = loader.dataset
    if isinstance(dataset, SizedDataset | SizedStream):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            "the loader is sized already: give the one that it was made from"
        )
    if not getattr(loader, "in_order", True) and loader.num_workers > 1:
        raise ValueError(
            "in_order=False gives the batches in the order in which workers finish them, "
            "so they have the sizes of other steps: leave it out"
        )
    if loader.batch_sampler is None and not isinstance(dataset, IterableDataset):
        raise ValueError(
            "the loader makes no batches (batch_size=None), and a size belongs to a "
            "batch: give the DataLoader a batch_size or a batch_sampler"
        )
    for name, value in vars(loader).items():
        # The one of torch, for persistent workers, is made again.
        if name != "_iterator" and _is_at_work(value, loader):
            raise ValueError(
                f"{type(loader).__name__} has made the iterator that it keeps as "
                f"{name!r} already, and its workers have the dataset without sizes: "
                "size a torch.utils.data.DataLoader with the same dataset, batch size "
                "or batch_sampler, and settings (persistent_workers=True keeps the "
                "workers)"
            )
        if issubclass(type(value), DataLoader) and value.dataset is dataset:
            raise ValueError(
                f"{type(loader).__name__} takes its batches from another DataLoader: "
                + (
                    _known(loader)
                    or f"write loader.{name} = sized(loader.{name}, resize)"
                )
            )


def _advice(loader: Any) -> str:
    """Return what to do with something that is not a ``DataLoader``."""
    known = _known(loader)
    if known is not None:
        return known
    name = type(loader).__name__
    if isinstance(loader, list | tuple | dict):
        held = loader.values() if isinstance(loader, dict) else loader
        if any(issubclass(type(each), DataLoader) for each in held):
            return "size each loader that it holds"
    for attribute, value in _attributes(loader):
        if issubclass(type(value), DataLoader):
            return (
                f"it wraps a DataLoader: write loader.{attribute} = "
                f"sized(loader.{attribute}, resize), or size that before it is wrapped"
            )
        if isinstance(value, _BaseDataLoaderIter):
            return (
                f"it has made an iterator of a DataLoader, as {attribute!r}, whose "
                f"workers are at work already: make the {name} of the sized loader"
            )
    if isinstance(loader, Dataset) or _modules(loader)[:1] == ["datasets"]:
        return "it is a dataset: make a DataLoader of it, and size that"
    if isinstance(loader, Iterator):
        return (
            "it is an iterator over the batches of another loader: size that loader, "
            f"and make the {name} of the result"
        )
    return (
        "upsize does not know how it makes its batches: size the DataLoader before it "
        f"is wrapped, or {_ALONE}"
    )


def _known(loader: Any) -> str | None:
    for cls in type(loader).__mro__:
        for module, advice in _LOADERS.items():
            if f"{cls.__module__}.".startswith(f"{module}."):
                return advice
    return None


def _modules(value: Any) -> list[str]:
    """Return the first names of the modules of a class and its bases."""
    return [cls.__module__.partition(".")[0] for cls in type(value).__mro__]


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    return islice(getattr(value, "__dict__", {}).items(), _MOST)


def _is_at_work(value: Any, loader: Any) -> bool:
    """Return whether this is an iterator over the loader, which was made before."""
    if isinstance(value, _BaseDataLoaderIter):
        return True
    if not inspect.isgenerator(value):
        return False
    held = inspect.getgeneratorlocals(value).values()
    return any(each is loader or isinstance(each, _BaseDataLoaderIter) for each in held)
