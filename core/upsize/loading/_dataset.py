"""Samples that are made at the size of their batch, and collated at it."""

from __future__ import annotations

from typing import Any

from upsize.loading._batches import SizedBatch
from upsize.loading._context import sample_size
from upsize.loading._folder_batches import FolderBatches
from upsize.loading._kept import KEPT
from upsize.loading._made_batch import MadeBatch
from upsize.loading._maker import SampleMaker, SetSize
from upsize.loading._proxy import Proxy
from upsize.loading._transforms import PixelFinder, restoring_pixels
from upsize.schedule import Size

__all__ = ["SetSize", "SizedCollate", "SizedDataset"]


class SizedDataset(Proxy):
    """Makes the samples of a batch at its size; alone, each is at full size.

    Args:
        dataset: A map-style dataset at full size.
        set_size: Gives it another size; ``None``: its transforms are found.
    """

    __slots__ = ("_upsize_maker", "_upsize_set_size", "_upsize_whole")
    _upsize_makes_sizes = True  # tells a run, which cannot import this class

    def __init__(self, dataset: Any, set_size: SetSize | None = None) -> None:
        super().__init__(dataset)
        self._upsize_set(_upsize_set_size=set_size)
        self._upsize_set(_upsize_maker=SampleMaker(dataset, set_size))
        self._upsize_set(_upsize_whole=FolderBatches(dataset))

    def _parts(self) -> tuple[Any, ...]:
        return self._upsize_inner, self._upsize_set_size

    def __getitems__(self, indices: list[Any]) -> Any:
        """Return the samples of a batch."""
        if not isinstance(indices, SizedBatch):
            return self._samples(indices)
        size, full = indices.size, indices.full
        KEPT.begin(size)
        with sample_size(size, full):
            samples = None
            if self._upsize_set_size is None:
                samples = self._upsize_whole.make(list(indices), size, full)
            if samples is None:
                samples = self._upsize_maker.samples(
                    lambda: self._samples(list(indices)), size, full
                )
        # Anything else is a batch already, and there is nothing to collate.
        return SizedBatch(samples, size, full) if type(samples) is list else samples

    def samples_at(self, indices: list[Any], size: Size, full: Size) -> Any:
        """Return samples at a size, as a batch of the loader holds them."""
        return self.__getitems__(SizedBatch(indices, size, full))

    def _samples(self, indices: list[Any]) -> Any:
        dataset = self._upsize_inner
        together = getattr(dataset, "__getitems__", None)
        if together is not None:
            return together(indices)
        return [dataset[index] for index in indices]


class SizedCollate(Proxy):
    """Collates the samples of a batch at its size.

    Args:
        collate: The function of the loader.
        transforms: Whether it holds transforms, which get the size as well.
    """

    __slots__ = ("_upsize_finder",)

    def __init__(self, collate: Any, transforms: bool = False) -> None:
        super().__init__(collate)
        finder = PixelFinder(collate) if transforms else None
        self._upsize_set(_upsize_finder=finder)

    def _parts(self) -> tuple[Any, ...]:
        return self._upsize_inner, self._upsize_finder is not None

    def __call__(self, samples: Any) -> Any:
        """Return the batch."""
        finder = self._upsize_finder
        if not isinstance(samples, SizedBatch):
            return self._collated(samples)
        if type(samples) is MadeBatch and (
            batch := samples.collated(self._upsize_inner)
        ):
            return batch
        size, full = samples.size, samples.full
        with sample_size(size, full):
            if finder is None or size == full:
                return self._collated(list(samples))
            with restoring_pixels(finder.find().found, size, full):
                return self._collated(list(samples))

    def _collated(self, samples: Any) -> Any:
        return self._upsize_inner(samples)
