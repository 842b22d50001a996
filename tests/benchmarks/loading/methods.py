"""The ways to train along a plan that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tests.benchmarks.loading.workloads import Workload
from torch import Tensor
from torch.utils.data import RandomSampler
from torchvision.transforms import v2

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    open_image,
    sized,
    small_copies,
)
from upsize.loop import ProgressiveResize
from upsize.schedule import Plan, load

try:
    from timm.data.scheduled_sampler import (
        ScheduledBatchSampler,
        ScheduledTransformDataset,
    )
except ImportError:  # no timm, or one from before 2026
    ScheduledBatchSampler = None

__all__ = ["FEEDS", "Feed", "Method", "by_epoch", "methods_of"]


class Feed(Protocol):
    """Gives the batches of an epoch from the loader, and makes them small."""

    def epoch(self, number: int) -> Iterable[Any]: ...

    def resize(self, images: Tensor) -> Tensor: ...

    def end(self) -> None: ...


class _Full:
    """Full size all the time."""

    def __init__(self, work: Workload, plan: Plan, opened: Any = None) -> None:
        crops = isinstance(opened, RandomResizedCropDecode)
        dataset = work.dataset(None if crops else _crop(work), opened)
        self.loader = work.setting.loader(dataset)
        self.plan, self.step = plan, 0

    def epoch(self, number: int) -> Iterable[Any]:
        del number
        return self.loader

    def resize(self, images: Tensor) -> Tensor:
        return images

    def end(self) -> None:
        """Check what is to be checked."""


class _Composer(_Full):
    """After the loader, with the arithmetic of Composer: nearest."""

    def resize(self, images: Tensor) -> Tensor:
        size = self.plan.size_at(self.step)
        self.step += 1
        if images.shape[-2:] == size:
            return images
        return torch.nn.functional.interpolate(images, size, mode="nearest")


class _Device(_Full):
    """After the loader."""

    def __init__(self, work: Workload, plan: Plan, opened: Any = None) -> None:
        super().__init__(work, plan, opened)
        self.progress = ProgressiveResize(
            load(plan.schedule),
            epochs=int(plan.epochs or 0),
            steps_per_epoch=plan.steps_per_epoch,
            final_size=plan.final_size,
        )

    def resize(self, images: Tensor) -> Tensor:
        resized: Tensor = self.progress(images)
        self.progress.step()
        return resized


class _Sized(_Device):
    """In the loader."""

    def __init__(self, work: Workload, plan: Plan, opened: Any = None) -> None:
        super().__init__(work, plan, opened)
        self.loader = sized(self.loader, self.progress)

    def end(self) -> None:
        if self.progress.mismatched:
            raise AssertionError(f"{self.progress.mismatched} batches were corrected")


class _Timm:
    """timm's scheduled sampler: a transform for each epoch, at the plan's sizes."""

    def __init__(self, work: Workload, plan: Plan) -> None:
        epochs, steps = int(plan.epochs or 0), plan.steps_per_epoch or 0
        sizes = [plan.size_at(epoch * steps) for epoch in range(epochs)]
        to_float = v2.ToDtype(torch.float32, scale=True)
        if work.in_memory:
            transforms = [v2.Compose([_crop(work, size), to_float]) for size in sizes]
            plain = work.dataset(v2.Identity())
            plain.transform = v2.Identity()
        else:
            transforms = [
                v2.Compose([_crop(work, size), v2.ToImage(), to_float])
                for size in sizes
            ]
            plain = work.dataset(None)
            plain.dataset.transform = None
        setting = work.setting
        self.sampler = ScheduledBatchSampler(
            RandomSampler(plain, generator=torch.Generator().manual_seed(0)),
            [setting.batch_size] * epochs,
            choice_schedule="progressive",
            schedule_epochs=epochs,
            schedule_spread=0.0,
            schedule_random_mix=0.0,
        )
        dataset = ScheduledTransformDataset(plain, transforms)
        self.loader = setting.loader(dataset, batch_sampler=self.sampler)

    def epoch(self, number: int) -> Iterable[Any]:
        self.sampler.set_epoch(number)
        return self.loader

    def resize(self, images: Tensor) -> Tensor:
        return images

    def end(self) -> None:
        """Nothing to check."""


#: What the forecast knows of these, by its names.
FEEDS = {"full size": _Full, "full": _Device, "sized": _Sized}


@dataclass(frozen=True)
class Method:
    """A name, and what makes the feed of a run."""

    name: str
    feed: Callable[[Workload, Plan], Feed]
    ours: bool = True


def _crop(work: Workload, size: Any = None) -> Any:
    return v2.RandomResizedCrop(work.setting.full if size is None else tuple(size))


def by_epoch(plan: Plan) -> bool:
    """Return whether sizes change between epochs only, as timm's sampler changes them."""
    return all(stage.start % (plan.steps_per_epoch or 1) == 0 for stage in plan.stages)


def methods_of(work: Workload, copies: Path, plan: Plan) -> Iterator[Method]:
    """Yield what is compared on a workload.

    Args:
        work: The workload.
        copies: Folder for the small copies, which are made here.
        plan: The plan of the runs.
    """
    yield Method("full size", _Full)
    yield Method("resize on the device", _Device)
    yield Method("Composer's arithmetic", _Composer, ours=False)
    if ScheduledBatchSampler is not None and by_epoch(plan):
        yield Method("timm's sampler", _Timm, ours=False)
    yield Method("sized", _Sized)
    if work.in_memory:
        return
    yield Method(
        "sized, open_image",
        lambda work, plan: _Sized(work, plan, open_image),
    )
    full = work.setting.full
    crop = RandomResizedCropDecode(full, sharp=False, output="tensor")
    # What this saves at full size is none of the schedule's saving.
    yield Method("full size, crop, decode", lambda work, plan: _Full(work, plan, crop))
    yield Method(
        "sized, crop, decode",
        lambda work, plan: _Sized(work, plan, crop),
    )
    small_copies(work.setting.folder, copies, plan=plan, workers=0)
    read = RandomResizedCropDecode(
        full,
        sharp=False,
        copies=CopyLoader(work.setting.folder, copies),
        output="tensor",
    )
    yield Method(
        "sized, small copies",
        lambda work, plan: _Sized(work, plan, read),
    )
