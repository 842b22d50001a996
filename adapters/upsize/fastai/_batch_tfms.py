"""The batch transforms of a loader, made to return images at the size of a step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

from fastai.data.core import Pipeline
from fastai.vision.augment import AffineCoordTfm, RandomResizedCropGPU
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from upsize.resize import Resizer
from upsize.run._restoring import Restoring
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio
from upsize.schedule._size import as_size

__all__ = [
    "ResizedBatch",
    "SizedPipeline",
    "WantedSize",
    "explicit_size",
    "pipeline_of",
    "resizes",
    "sized_pipeline",
]

WantedSize: TypeAlias = Callable[[Size | None], Size | None]
ResizedBatch: TypeAlias = Callable[[Any, Size, Size], Any]

_GRID_SAMPLE = ("bilinear", "nearest", "bicubic")
_KINDS = (AffineCoordTfm, RandomResizedCropGPU)


def pipeline_of(loader: Any) -> tuple[Any, Any]:
    """Return the loader that holds the batch transforms, and them or ``None``."""
    while "dl" in getattr(loader, "__dict__", {}):  # a DistributedDL
        loader = loader.dl
    pipeline = getattr(loader, "__dict__", {}).get("after_batch")
    return loader, pipeline if isinstance(pipeline, Pipeline) else None


def resizes(pipeline: Any) -> bool:
    """Whether one of the transforms resamples images, so that it can resize them."""
    return pipeline is not None and any(isinstance(t, _KINDS) for t in pipeline.fs)


def explicit_size(pipeline: Any) -> Size | None:
    """Return the size that the user gave to the transforms, if any."""
    told = [] if pipeline is None else _explicit(pipeline)
    return as_size(_plain(told[-1].size)) if told else None


def _explicit(pipeline: Any) -> list[Any]:
    """Return the transforms that the user gave a size."""
    return [t for t in pipeline.fs if isinstance(t, _KINDS) and t.size is not None]


class SizedPipeline(Pipeline):
    """Replaces a loader's batch transforms, and returns images of a given size.

    Transforms are only changed during a call: fastai shares them between the loaders
    for training and validation.
    """

    _upsize: tuple[WantedSize, Resizer, ResizedBatch]
    # Of the images of each batch that still exists, the size before the transforms.
    _sizes: WeakTensorKeyDictionary

    def size_before(self, images: Tensor) -> Size:
        """Return the size that images had before the transforms of their batch.

        Args:
            images: The first images of a batch.
        """
        size: Size | None = self._sizes.get(images)  # type: ignore[no-untyped-call]
        return Size(*images.shape[-2:]) if size is None else size

    def __call__(self, o: Any) -> Any:
        wanted, resizer, resized = self._upsize
        size = wanted(None)
        if size is None:
            return super().__call__(o)
        if told := _explicit(self):
            with _at_size(told, size, resizer.mode):
                return super().__call__(o)
        # Transforms without a size keep the size of their input. The resize before
        # them smooths the images; the transforms themselves would pick pixels.
        first = next(i for i, t in enumerate(self.fs) if isinstance(t, AffineCoordTfm))
        for t in self.fs[:first]:
            o = t(o, split_idx=self.split_idx)
        # The first image is an input: a target may be larger, and keeps its share.
        given = Size(*resizer.read(o).first.shape[-2:])
        size = wanted(given)
        assert size is not None  # it was asked for before
        if size != given:
            o = resized(o, given, size)
        for t in self.fs[first:]:
            o = t(o, split_idx=self.split_idx)
        self._sizes[resizer.read(o).first] = given
        return o

    def __reduce__(self) -> Any:
        # An exported learner must load where upsize is not installed.
        return Pipeline, (list(self.fs), self.split_idx)


def sized_pipeline(
    pipeline: Any,
    wanted: WantedSize,
    resizer: Resizer,
    resized: ResizedBatch,
) -> SizedPipeline:
    """Return a pipeline like this one, whose images have the wanted size.

    Args:
        pipeline: The transforms of a loader.
        wanted: Called for each batch, returns its size; ``None``: unchanged. It gets
            the size of the images that come in, or ``None`` before that is looked at.
        resizer: How images are resized.
        resized: Called with a batch, the size of its inputs and the wanted one; returns
            it at that size.

    Raises:
        ValueError: When the transforms cannot resize in the mode of the resizer.
    """
    told = _explicit(pipeline)
    if told and resizer.mode not in _GRID_SAMPLE:
        raise ValueError(
            f"resize_mode={resizer.mode!r} does not work with {told[-1].name}, which "
            f"resizes by grid_sample: use one of {', '.join(_GRID_SAMPLE)}, or "
            "add_resize=True, which resizes the batch in a separate step"
        )
    new = copy.copy(pipeline)
    new.__class__ = SizedPipeline
    new._upsize = (wanted, resizer, resized)
    new._sizes = WeakTensorKeyDictionary()
    return cast(SizedPipeline, new)


@contextmanager
def _at_size(transforms: list[Any], size: Size, mode: str) -> Iterator[None]:
    """Give the last transform a size, and the others their share of it."""
    full = as_size(_plain(transforms[-1].size))
    with Restoring() as changes:
        if size != full:
            for t in transforms:
                own = as_size(_plain(t.size))
                changes.set(t, "size", tuple(in_ratio(own, size, of=full)))
                changes.set(t, "mode", mode)
        yield


def _plain(size: Any) -> Any:
    """Return one side or a pair, from any sequence that fastai accepts."""
    return size if isinstance(size, int) else tuple(size)
