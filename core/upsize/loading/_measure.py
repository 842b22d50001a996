"""What it costs to load an image of a folder at each size of a plan."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset, default_collate

from upsize._extras import require
from upsize.loading._batches import SizedBatch
from upsize.loading._crop import RandomResizedCropDecode
from upsize.loading._dataset import SizedDataset
from upsize.loading._images._decode import open_image
from upsize.loading._images._folder import list_images
from upsize.schedule import Plan, Size

if TYPE_CHECKING:
    from upsize.loading._copies._read import CopyLoader

__all__ = ["LoadingTime", "measure_loading"]

Track = Callable[[Iterable[Any], int], Iterable[Any]]
_BATCH = 32


@dataclass(frozen=True)
class LoadingTime:
    """What a way of loading takes.

    Args:
        name: The way.
        seconds: For an image, at each size of the plan.
        share: Share of the loading time of full-size training, over the whole plan.
    """

    name: str
    seconds: dict[Size, float]
    share: float


class _Images(Dataset[Any]):
    """Image files, opened by a loader and then transformed."""

    def __init__(
        self, paths: Sequence[str], loader: Callable[[str], Any], transform: Any
    ) -> None:
        self._paths, self._loader, self.transform = paths, loader, transform

    def __getitem__(self, index: int) -> Any:
        return self.transform(self._loader(self._paths[index]))

    def __len__(self) -> int:
        return len(self._paths)


def _ways(
    paths: Sequence[str], full: Size, copies: CopyLoader | None
) -> dict[str, Dataset[Any] | SizedDataset]:
    """Return datasets of the same crops of the same images, as they can be loaded."""
    from torchvision.datasets.folder import default_loader
    from torchvision.transforms import v2

    crop = v2.RandomResizedCrop(tuple(full))
    floats = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    whole = v2.Compose([crop, *floats])

    def cropped(copies: CopyLoader | None) -> Dataset[Any]:
        load = RandomResizedCropDecode(
            full, sharp=False, copies=copies, output="tensor"
        )
        return _Images(paths, load, v2.Compose(floats))

    ways: dict[str, Dataset[Any] | SizedDataset] = {
        "full": _Images(paths, default_loader, whole),
        "sized": SizedDataset(_Images(paths, default_loader, whole)),
        "sized, open_image": SizedDataset(_Images(paths, open_image, whole)),
        "sized, crop, decode": SizedDataset(cropped(None)),
    }
    if copies is not None:
        ways["sized, small copies"] = SizedDataset(cropped(copies))
    return ways


def _seconds(dataset: Dataset[Any] | SizedDataset, size: Size, full: Size) -> float:
    """Return the seconds for an image, in batches as a worker makes them."""
    count = len(dataset)  # type: ignore[arg-type]
    begin = time.perf_counter()
    for start in range(0, count, _BATCH):
        indices = list(range(start, min(start + _BATCH, count)))
        if isinstance(dataset, SizedDataset):
            samples = dataset.__getitems__(SizedBatch(indices, size, full))
        else:
            samples = [dataset[index] for index in indices]
        default_collate(samples)
    return (time.perf_counter() - begin) / count


def measure_loading(
    folder: str | PathLike[str],
    plan: Plan,
    *,
    images: int = 256,
    turns: int = 3,
    copies: str | PathLike[str] | None = None,
    seed: int = 0,
    track: Track = lambda turns, _: turns,
) -> list[LoadingTime]:
    """Measure the time of loading in one process, as medians of alternating turns.

    Samples are random crops of torchvision's ``RandomResizedCrop``, converted to float.
    Further transforms would cost the same for every way.

    Args:
        folder: Images at any depth.
        plan: Plan whose sizes are measured.
        images: At most this many, drawn by the seed; read once before.
        turns: How often each way is measured at each size.
        copies: Folder of their small copies, to measure these as well.
        seed: Draws the images.
        track: Called with the turns and their number, as a progress bar is.

    Returns:
        The ways, the plain one first.

    Raises:
        ValueError: For a folder without images, or a number below 1; names it.
        ImportError: Without torchvision.
    """
    require("torchvision", "jpeg", "Measurements of loading")  # has the plain way
    for name, value in (("images", images), ("turns", turns)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    root = Path(folder)
    names = [*list_images(root).images]
    if not names:
        raise ValueError(f"{root}: no images in this folder")
    drawn = random.Random(seed).sample(names, min(images, len(names)))
    paths = [str(root / name) for name in drawn]
    for path in paths:
        Path(path).read_bytes()  # from the disk once, before any is measured
    loader = None
    if copies is not None:
        from upsize.loading._copies._read import CopyLoader  # needs LMDB

        loader = CopyLoader(root, copies)
    full = plan.final_size
    ways = _ways(paths, full, loader)
    times: dict[tuple[str, Size], list[float]] = {
        (name, size): [] for name in ways for size in plan.sizes
    }
    for _ in track(range(turns), turns):
        for (name, size), seconds in times.items():
            seconds.append(_seconds(ways[name], size, full))
    medians = {key: statistics.median(seconds) for key, seconds in times.items()}
    # It makes full size at every step: one figure, of all its turns.
    plain = statistics.median(medians["full", size] for size in plan.sizes)
    medians |= {("full", size): plain for size in plan.sizes}
    return [
        LoadingTime(
            name,
            {size: medians[name, size] for size in plan.sizes},
            sum(
                float(steps) * medians[name, size]
                for size, steps in plan.steps_by_size.items()
            )
            / (plan.total_steps * plain),
        )
        for name in ways
    ]
