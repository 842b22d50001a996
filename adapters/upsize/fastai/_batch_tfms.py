"""The batch transforms of a loader, made to give the size of a step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from fastai.data.core import Pipeline
from fastai.vision.augment import AffineCoordTfm, RandomResizedCropGPU
from torch import Tensor

from upsize.resize import Resizer
from upsize.resize._interpolate import Mode
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio
from upsize.schedule._size import as_size

__all__ = [
    "SizedPipeline",
    "came_at",
    "pipeline_of",
    "resizes",
    "sized_pipeline",
    "told_size",
]

_GRID_SAMPLE = ("bilinear", "nearest", "bicubic")
_KINDS = (AffineCoordTfm, RandomResizedCropGPU)
_CAME = "_upsize_came"


def pipeline_of(loader: Any) -> tuple[Any, Any]:
    """Return the loader that holds the batch transforms, and these; or ``None``."""
    while "dl" in getattr(loader, "__dict__", {}):  # a DistributedDL
        loader = loader.dl
    pipeline = getattr(loader, "__dict__", {}).get("after_batch")
    return loader, pipeline if isinstance(pipeline, Pipeline) else None


def resizes(pipeline: Any) -> bool:
    """Whether a transform in it resamples images, so that it can resize them."""
    return pipeline is not None and any(isinstance(t, _KINDS) for t in pipeline.fs)


def came_at(images: Tensor) -> Size:
    """Return the size that the images of a batch had in front of the transforms."""
    came: Size = getattr(images, _CAME, Size(*images.shape[-2:]))
    return came


def told_size(pipeline: Any) -> Size | None:
    """Return the size that the transforms were told to give, if they were."""
    told = [] if pipeline is None else _explicit(pipeline)
    return as_size(_plain(told[-1].size)) if told else None


def _explicit(pipeline: Any) -> list[Any]:
    """Return the transforms that were told a size."""
    return [t for t in pipeline.fs if isinstance(t, _KINDS) and t.size is not None]


class SizedPipeline(Pipeline):
    """Stands in for a loader's batch transforms, and gives images of a size.

    Transforms are changed for the time of a call only: fastai shares them between the
    loaders for training and validation.
    """

    _upsize: tuple[Callable[[], Size | None], Resizer]

    def __call__(self, o: Any) -> Any:
        wanted, resizer = self._upsize
        size = wanted()
        if size is None:
            return super().__call__(o)
        if told := _explicit(self):
            with _told(told, size, resizer.mode):
                return super().__call__(o)
        # Transforms without a size keep that of what they get. Shrunk in front of
        # them, images are smoothed; they themselves would pick pixels.
        first = next(i for i, t in enumerate(self.fs) if isinstance(t, AffineCoordTfm))
        for t in self.fs[:first]:
            o = t(o, split_idx=self.split_idx)
        came = resizer.image_size(o)
        o = resizer(o, size)
        for t in self.fs[first:]:
            o = t(o, split_idx=self.split_idx)
        # On the batch itself: the pipeline also runs for others than are trained on.
        setattr(resizer.first_image(o), _CAME, came)
        return o

    def __reduce__(self) -> Any:
        # An exported learner must load where upsize is not installed.
        return Pipeline, (list(self.fs), self.split_idx)


def sized_pipeline(
    pipeline: Any,
    wanted: Callable[[], Size | None],
    resizer: Resizer,
) -> SizedPipeline:
    """Return a pipeline like this one, whose images have the size that is wanted.

    Args:
        pipeline: The transforms of a loader.
        wanted: Called before each batch; ``None``: the size that they have.
        resizer: How images are resized.

    Raises:
        ValueError: When the transforms cannot resize in the mode of the resizer.
    """
    told = _explicit(pipeline)
    if told and resizer.mode not in _GRID_SAMPLE:
        raise ValueError(
            f"resize_mode={resizer.mode!r} cannot be told to {told[-1].name}, which "
            f"resizes by grid_sample: use one of {', '.join(_GRID_SAMPLE)}, or "
            "add_resize=True, which resizes the batch by itself"
        )
    new = copy.copy(pipeline)
    new.__class__ = SizedPipeline
    new._upsize = (wanted, resizer)
    return cast(SizedPipeline, new)


@contextmanager
def _told(transforms: list[Any], size: Size, mode: Mode) -> Iterator[None]:
    """Give transforms their share of a size, the last one the size itself."""
    before = [(t, t.size, t.mode) for t in transforms]
    full = as_size(_plain(before[-1][1]))
    try:
        if size != full:
            for t, old, _ in before:
                t.size = tuple(in_ratio(as_size(_plain(old)), size, of=full))
                t.mode = mode
        yield
    finally:
        for t, old, old_mode in before:
            t.size, t.mode = old, old_mode


def _plain(size: Any) -> Any:
    """Return one side or a pair, of whatever sequence fastai took."""
    return size if isinstance(size, int) else tuple(size)
