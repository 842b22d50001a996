"""A loader whose workers make each image at the size that its step needs."""

from __future__ import annotations

from typing import Any, TypeVar

from torch.utils.data import DataLoader, IterableDataset

from upsize.loading._batches import SizedBatchSampler
from upsize.loading._dataset import SetSize, SizedCollate, SizedDataset
from upsize.loading._grown import GrownBatchSampler, check_grown, check_grown_stream
from upsize.loading._kept import check_caches
from upsize.loading._merged import MergedBatchSampler, can_merge
from upsize.loading._others import check_loader
from upsize.loading._plan_sizes import PlanSizes, StreamSizes
from upsize.loading._stream_parts import stream_parts
from upsize.loading._transforms import check_transforms, find_pixels
from upsize.loading._web import check_stages, is_web_loader
from upsize.loading._window import WindowCutter, cutter_of
from upsize.run._batches import length_of
from upsize.run._loop_run import LoopRun
from upsize.run._size_source import SizeSource
from upsize.schedule import Plan, Size

__all__ = ["check_sizes", "copy_with", "sized"]

Loader = TypeVar("Loader", bound=DataLoader[Any] | IterableDataset[Any])
Copied = TypeVar("Copied")


def sized(
    loader: Loader, resize: SizeSource | Plan, *, set_size: SetSize | None = None
) -> Loader:
    """Return the loader, with workers that make each image at the size of its step.

    It sets the sizes of the dataset's own transforms for each batch: those of
    torchvision, timm and albumentations that resize or crop, wherever the dataset
    holds them. Each keeps its ratio to the full size: at half of 224, ``Resize(256)``
    and ``CenterCrop(224)`` make 128 and 112. Random draws stay the same, and at full
    size every sample is bit-identical.

    If the resizer of the run has ``mode="crop"``, samples stay at full size, and the
    workers cut the window of each step out of the batch: bit for bit the one that the run
    would cut, also of targets.

    A batch gets its size when its indices are drawn, so sizes are exact with any number
    of workers and prefetched batches. To resume within an epoch, use a loader that draws
    the rest of it, or drop the first batches of one that draws all.

    Args:
        loader: A loader with any settings, of a map-style dataset or of a stream, or a
            ``WebLoader``. It is not changed.
        resize: The :class:`~upsize.loop.ProgressiveResize` of the run. It still gets
            the batches, and resizes and counts those of another size than their
            step's. A plan alone counts a step per batch that is taken from the loader;
            ``set_epoch`` of its batch sampler begins the next pass with that epoch. Each
            pass over a stream is an epoch of the plan. Of a run with ``merge`` or a
            batch that grows, the batch sampler draws larger batches.
        set_size: For datasets whose transforms are not found:
            ``set_size(dataset, size)`` is called in the worker, with the dataset of
            ``loader``, before the samples of a batch smaller than full size, and with
            the full size after them. It may do nothing if the dataset reads
            :func:`current_size` by itself. Spawned workers must be able to import it.

    Returns:
        A loader of the same type and settings. Its ``dataset``, ``batch_sampler`` and
        ``collate_fn`` stand for those of ``loader``: what is read and written reaches
        them. Single samples of the dataset are at full size.

    Raises:
        TypeError: For anything but a ``DataLoader``.
        ValueError: When the loader makes no batches, gives them out of order, is sized
            already or has made the iterator that it keeps, a ``WebLoader`` makes other
            batches of those of its workers, a plan alone does not fit
            the length of a stream, the batches of a plan that grows do not fit the
            loader, the dataset caches decoded images, no transform
            of the dataset makes the full size, or one is unknown and has a size, or
            crops without a resize before it; names each.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader, Dataset
        >>> from torchvision.transforms.v2 import CenterCrop, Compose, Resize
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> class Images(Dataset):
        ...     transform = None
        ...     def __init__(self):
        ...         self.transform = Compose([Resize(72), CenterCrop(64)])
        ...     def __len__(self):
        ...         return 12
        ...     def __getitem__(self, index):
        ...         return self.transform(torch.rand(3, 80, 100))
        >>> loader = DataLoader(Images(), batch_size=4)
        >>> resize = ProgressiveResize(Ramp(final_size=64), total_steps=6)
        >>> loader = sized(loader, resize)
        >>> [batch.shape[-1] for batch in loader]
        [32, 32, 32]
    """
    given: Any = loader
    if not is_web_loader(given):
        copied: Loader = _copied(given, resize, set_size, given)
        return copied
    check_stages(given)
    inner, *stages = given.pipeline
    inner = _copied(inner, resize, set_size, given)
    return copy_with(loader, pipeline=[inner, *stages])


def _copied(loader: Any, resize: Any, set_size: SetSize | None, outer: Any) -> Any:
    """Return a sized copy of a loader.

    Args:
        loader: A ``DataLoader``.
        resize: As :func:`sized` takes it.
        set_size: As :func:`sized` takes it.
        outer: What knows the length of a pass: the loader, or a pipeline around it.
    """
    check_loader(loader)
    is_stream = isinstance(loader.dataset, IterableDataset)
    source: SizeSource = resize.size_source if isinstance(resize, LoopRun) else resize
    if isinstance(resize, Plan):
        if resize.grow is not None:
            raise ValueError(
                "the batches of this plan grow, which a loader must be told in step with "
                "training: give sized() the ProgressiveResize of the run, with "
                "samples_per_epoch= and batch_size=Grow(...)"
            )
        source = _sizes_of(resize, loader, outer)
    if not hasattr(source, "sizes_ahead"):
        raise TypeError(
            "resize must be the ProgressiveResize of the run or a plan, not a "
            f"{type(resize).__name__}"
        )
    cutter = None if set_size else cutter_of(source, loader.collate_fn)
    grown = getattr(source, "grown_plan", None)
    if grown is not None and is_stream:
        check_grown_stream(loader, grown, outer)
    elif grown is not None:
        check_grown(loader, grown)
    in_collate = False
    if cutter is None:  # else samples are made at full size
        check_caches(loader.dataset)
        in_collate = set_size is None and check_sizes(loader, source.final_size)
    if is_stream:
        changed = stream_parts(loader, source, set_size, in_collate, outer, cutter)
    else:
        changed = _parts(loader, source, set_size, in_collate, cutter)
    changed["_iterator"] = None  # of persistent workers, which have another dataset
    if hasattr(loader, "_initial_iter_for_state_dict"):
        # torchdata, 0.8 to 0.11: it has made an iterator to have a state.
        changed["_initial_iter_for_state_dict"] = False
    return copy_with(loader, **changed)


def _sizes_of(plan: Plan, loader: Any, outer: Any) -> SizeSource:
    """Return what tells the sizes of a plan alone."""
    if isinstance(loader.dataset, IterableDataset):
        if getattr(outer, "repetitions", 1) != 1:
            raise ValueError(
                f"{type(outer).__name__} repeats its loader within an epoch "
                "(with_epoch or repeat), and a plan alone takes each pass for an epoch: "
                "give sized() the ProgressiveResize of the run"
            )
        return StreamSizes(plan, length_of(outer))
    # What the workers are given before a batch is taken.
    return PlanSizes(plan, loader.num_workers * (loader.prefetch_factor or 0))


def _parts(
    loader: Any,
    source: SizeSource,
    set_size: SetSize | None,
    in_collate: bool,
    cutter: WindowCutter | None,
) -> dict[str, Any]:
    """Return the parts of a loader that makes the images of its batches at their sizes."""
    kind = SizedBatchSampler
    if getattr(source, "grown_plan", None) is not None:
        kind = GrownBatchSampler
    elif can_merge(loader, source):
        kind = MergedBatchSampler
    return {
        "dataset": SizedDataset(loader.dataset, set_size, cutter),
        "batch_sampler": kind(loader.batch_sampler, source),
        "collate_fn": SizedCollate(loader.collate_fn, in_collate, cutter),
    }


def check_sizes(loader: Any, full: Size | None) -> bool:
    """Refuse a loader whose transforms do not make images of the full size.

    Args:
        loader: A ``DataLoader``.
        full: The full size, as :func:`check_transforms` takes it.

    Returns:
        Whether its ``collate_fn`` has such transforms, which then decide.

    Raises:
        ValueError: As :func:`check_transforms` does.
    """
    if not find_pixels(loader.collate_fn):
        check_transforms(loader.dataset, full)
        return False
    find_pixels(loader.dataset)  # refuses unknown ones
    check_transforms(loader.collate_fn, full)
    return True


def copy_with(loader: Copied, **changed: Any) -> Copied:
    """Return a copy of a loader with other attributes, guarded ones included."""
    # Not copy.copy: a loader of Accelerate reduces itself to another one.
    new = object.__new__(type(loader))
    vars(new).update(vars(loader) | changed)
    return new
