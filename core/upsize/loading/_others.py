"""Loaders that cannot be sized, and what to do with each: names only, none is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset
from torch.utils.data.dataloader import _BaseDataLoaderIter

from upsize.loading._dataset import SizedDataset

__all__ = ["check_loader", "check_type"]

_ALONE = "use ProgressiveResize alone, which resizes on the device"

# {first names of the module of a class or of a base: what to do}.
_LOADERS = {
    "ffcv": "FFCV decodes images in its own compiled pipeline: set output_size of its "
    "decoder to plan.size_at(step) before an epoch, or " + _ALONE,
    "nvidia.dali": "a DALI pipeline makes its images ahead, at the size that it was "
    "built for: " + _ALONE,
    "webdataset": "WebDataset reads samples from a stream, without being asked for a "
    "batch: " + _ALONE,
    "torchdata.nodes": "nodes of torchdata read samples ahead, without being asked for "
    "a batch: build the pipeline as a DataLoader of a map-style dataset, or " + _ALONE,
    "torchdata.dataloader2": "DataLoader2 reads samples from a pipe, without being asked "
    "for a batch: " + _ALONE,
    "fastai": "use upsize.fastai.sized, which takes loaders of fastai",
    "accelerate": "use upsize.accelerate.sized, which takes prepared loaders",
    "lightning.pytorch": "use upsize.lightning.sized for each DataLoader that it holds",
    "pytorch_lightning": "use upsize.lightning.sized for each DataLoader that it holds",
    "tqdm": "a progress bar goes around the batches: size the loader, then write "
    "tqdm(resize.batches(loader))",
    "tensorflow": "TensorFlow makes its batches by itself: " + _ALONE,
}
# Datasets that read streams; a DataLoader of one is a DataLoader like any other.
_STREAMS = {
    "streaming": "StreamingDataset of MosaicML reads its shards in the order of its own "
    "workers, without being asked for a batch: " + _ALONE,
    "webdataset": _LOADERS["webdataset"],
    "datasets": "a streamed dataset of Hugging Face makes samples without being asked "
    "for a batch: load it with streaming=False, or " + _ALONE,
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
    if isinstance(dataset, IterableDataset):
        streams = next((_STREAMS[m] for m in _modules(dataset) if m in _STREAMS), None)
        raise TypeError(
            f"{type(dataset).__name__} is an IterableDataset: "
            + (
                streams
                or "its workers make samples without being asked for a batch: "
                f"{_ALONE}, or a map-style dataset"
            )
        )
    if isinstance(dataset, SizedDataset):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            "the loader is sized already: give the one that it was made from"
        )
    if loader.batch_sampler is None:
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
                f"write loader.{name} = sized(loader.{name}, resize)"
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
