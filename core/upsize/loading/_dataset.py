"""Samples that are made at the size of their batch, and collated at it."""

from __future__ import annotations

from typing import Any

from upsize.loading._batches import SizedBatch
from upsize.loading._context import sample_size
from upsize.loading._folder_batches import FolderBatches
from upsize.loading._folder_windows import window_samples
from upsize.loading._kept import KEPT
from upsize.loading._made_batch import MadeBatch
from upsize.loading._maker import SampleMaker, SetSize
from upsize.loading._proxy import Proxy
from upsize.loading._transforms import PixelFinder, restoring_pixels
from upsize.loading._window import OneSample, WindowCutter
from upsize.schedule import Size

__all__ = ["SetSize", "SizedCollate", "SizedDataset"]


class CutBatch(SizedBatch):
    """Samples of which the window is cut already."""


class SizedDataset(Proxy):
    """Makes the samples of a batch at its size; alone, each is at full size.

    Args:
        dataset: A map-style dataset at full size.
        set_size: Gives it another size; ``None``: its transforms are found.
        cutter: Cuts windows of its full-size samples, when they are collated or before;
            ``None``: samples are made small.
    """

    __slots__ = ("_upsize_cutter", "_upsize_maker", "_upsize_set_size", "_upsize_whole")
    _upsize_makes_sizes = True  # tells a run, which cannot import this class

    def __init__(
        self,
        dataset: Any,
        set_size: SetSize | None = None,
        cutter: WindowCutter | None = None,
    ) -> None:
        super().__init__(dataset)
        self._upsize_set(_upsize_cutter=cutter)
        self._upsize_set(_upsize_set_size=set_size)
        self._upsize_set(_upsize_maker=SampleMaker(dataset, set_size))
        self._upsize_set(_upsize_whole=FolderBatches(dataset))

    def _parts(self) -> tuple[Any, ...]:
        return self._upsize_inner, self._upsize_set_size, self._upsize_cutter

    def __getitems__(self, indices: list[Any]) -> Any:
        """Return the samples of a batch."""
        if not isinstance(indices, SizedBatch):
            return self._samples(indices)
        size, full = indices.size, indices.full
        if self._upsize_cutter is not None:
            return self._uncut(list(indices), size, full)
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

    def _uncut(self, indices: list[Any], size: Size, full: Size) -> Any:
        """Return samples of which a window is cut here, or when they are collated."""
        cutter: WindowCutter = self._upsize_cutter
        if cutter.is_early:
            corner = cutter.corner(size, full)
            found = window_samples(self._upsize_inner, indices, corner, size, full)
            if found is not None:
                samples, is_cut = found
                return (CutBatch if is_cut else SizedBatch)(samples, size, full)
        made = self._samples(indices)
        if type(made) is list:
            return SizedBatch(made, size, full)
        return cutter.cut(made, size, full)  # a batch already

    def samples_at(self, indices: list[Any], size: Size, full: Size) -> Any:
        """Return samples at a size, as a batch of the loader holds them."""
        if self._upsize_cutter is not None:
            return self._samples(
                indices
            )  # whole: a window moves what tells their types
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
        cutter: Cuts the window of the batch, where samples are not cut yet; ``None``:
            they are made small.
    """

    __slots__ = ("_upsize_cutter", "_upsize_finder")

    def __init__(
        self,
        collate: Any,
        transforms: bool = False,
        cutter: WindowCutter | None = None,
    ) -> None:
        super().__init__(collate)
        finder = PixelFinder(collate) if transforms else None
        self._upsize_set(_upsize_finder=finder, _upsize_cutter=cutter)

    def _parts(self) -> tuple[Any, ...]:
        is_found = self._upsize_finder is not None
        return self._upsize_inner, is_found, self._upsize_cutter

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
        if self._upsize_cutter is not None:
            return self._window(samples, size, full)
        with sample_size(size, full):
            if finder is None or size == full:
                return self._collated(list(samples))
            with restoring_pixels(finder.find().found, size, full):
                return self._collated(list(samples))

    def _window(self, samples: SizedBatch, size: Size, full: Size) -> Any:
        """Return the batch, of which the window of its step is cut out."""
        batch = self._collated(list(samples))
        if type(samples) is CutBatch:
            return batch
        one = OneSample(samples[0], self._collated)
        return self._upsize_cutter.cut(batch, size, full, one)

    def _collated(self, samples: Any) -> Any:
        return self._upsize_inner(samples)
