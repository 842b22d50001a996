"""The ways to load that are compared, each as a loader of uint8 batches for each size."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.benchmarks.loaders import by_ffcv, by_hand
from tests.benchmarks.loaders.photographs import Photographs
from tests.benchmarks.loaders.setting import BATCH, SCALE, STORED, Opened
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import CopyLoader, RandomResizedCropDecode, sized, small_copies
from upsize.schedule import Phases

__all__ = ["BOUND", "Way", "ways"]

#: The name of what is left of our fastest way where everything but torch takes no time.
BOUND = "bound: raw memory maps like our copies, torch"


@dataclass(frozen=True)
class Way:
    """A way to load.

    Args:
        name: For the table.
        open: From photographs, sizes from small to full, and a folder of its own.
        ours: Whether it is of upsize.
        missing: Why it cannot be measured here; ``""``: it can.
    """

    name: str
    open: Callable[[Photographs, Sequence[int], Path], Opened]
    ours: bool = False
    missing: str = ""


def _torchvision(photos: Photographs, sizes: Sequence[int], _: Path) -> Opened:
    """A loader for each size."""

    def loader(size: int) -> DataLoader[Any]:
        transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=SCALE),
                v2.RandomHorizontalFlip(),
                v2.PILToTensor(),
            ]
        )
        return DataLoader(ImageFolder(photos.folder, transform), BATCH, shuffle=True)

    loaders = {size: loader(size) for size in sizes}
    return Opened({size: each.__iter__ for size, each in loaders.items()}, photos.bytes)


def _upsize(
    photos: Photographs, sizes: Sequence[int], copies: CopyLoader | None, disk: int
) -> Opened:
    """One sized loader, whose epochs have the sizes."""
    load = RandomResizedCropDecode(
        sizes[-1],
        scale=SCALE,
        sharp=False,
        output="tensor",
        copies=copies,
    )
    data = ImageFolder(photos.folder, v2.RandomHorizontalFlip(), loader=load)
    plain = DataLoader(data, BATCH, shuffle=True)
    plan = _phases(sizes).plan(epochs=len(sizes), steps_per_epoch=len(plain))
    loader = sized(plain, plan)

    def epoch(number: int) -> Iterable[Any]:
        loader.batch_sampler.set_epoch(number)
        return loader

    return Opened(
        {
            size: lambda number=number: epoch(number)  # type: ignore[misc]
            for number, size in enumerate(sizes)
        },
        disk,
    )


def _phases(sizes: Sequence[int]) -> Phases:
    """A schedule with an epoch for each size."""
    return Phases(phases=list(enumerate(sizes)))


def _decode(photos: Photographs, sizes: Sequence[int], _: Path) -> Opened:
    return _upsize(photos, sizes, None, photos.bytes)


def _copies(
    photos: Photographs, sizes: Sequence[int], folder: Path, **settings: Any
) -> Opened:
    plan = _phases(sizes).plan(epochs=len(sizes), steps_per_epoch=1)
    report = small_copies(
        photos.folder, folder, plan=plan, least_scale=SCALE[0], workers=0, **settings
    )
    # Without a full copy, samples of the full size are read from the originals.
    load = CopyLoader(photos.folder, folder, full_copy="full_copy" in settings)
    return _upsize(photos, sizes, load, photos.bytes + report.bytes)


def _full_copies(photos: Photographs, sizes: Sequence[int], folder: Path) -> Opened:
    return _copies(photos, sizes, folder, full_copy=STORED)


def _raw(photos: Photographs, sizes: Sequence[int], folder: Path) -> Opened:
    return _copies(photos, sizes, folder, full_copy=STORED, encoding="raw")


def _bound(photos: Photographs, sizes: Sequence[int], folder: Path) -> Opened:
    """Nothing but torch's resampling of pixels that lie in memory, as large as FFCV's."""

    def sides(width: int, height: int) -> tuple[int, int]:
        share = STORED / max(width, height)
        return round(share * width), round(share * height)

    pixels = _memory_map(photos, folder / "pixels", sides)
    return _of_maps(dict.fromkeys(sizes, pixels), pixels.nbytes)


def _bound_of_copies(photos: Photographs, sizes: Sequence[int], folder: Path) -> Opened:
    """The same, of pixels as many as in our copies for each size."""

    def sides(size: int, width: int, height: int) -> tuple[int, int]:
        share = STORED / min(width, height) * size / sizes[-1]
        return math.ceil(share * width), math.ceil(share * height)

    maps = {
        size: _memory_map(photos, folder / f"{size}", partial(sides, size))
        for size in sizes
    }
    return _of_maps(maps, sum(each.nbytes for each in maps.values()))


def _of_maps(maps: Mapping[int, Any], disk: int) -> Opened:
    epochs = {
        size: lambda size=size: _resampled(maps[size], size)  # type: ignore[misc]
        for size in maps
    }
    return Opened(epochs, disk)


def _memory_map(
    photos: Photographs, file: Path, sides: Callable[[int, int], tuple[int, int]]
) -> Any:
    images = []
    for path in photos.paths:
        with Image.open(path) as image:
            small = image.resize(sides(*image.size), Image.Resampling.LANCZOS)
            images.append(np.asarray(small))
    shape = (len(images), *images[0].shape)
    file.parent.mkdir(parents=True, exist_ok=True)
    written = np.memmap(file, np.uint8, "w+", shape=shape)
    for index, image in enumerate(images):
        written[index] = image
    written.flush()
    # Copied on writing: torch warns of arrays that must not be written to.
    return np.memmap(file, np.uint8, "c", shape=shape)


def _resampled(pixels: Any, size: int) -> Iterator[Tensor]:
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    order = list(RandomSampler(images))  # type: ignore[arg-type]
    for start in range(0, len(order), BATCH):
        indices = order[start : start + BATCH]
        batch = torch.empty(
            (len(indices), 3, size, size),
            dtype=torch.uint8,
            memory_format=torch.channels_last,
        )
        for place, index in enumerate(indices):
            y, x, height, width = by_hand.crop(images.shape[2:], SCALE)
            part = images[index : index + 1, :, y : y + height, x : x + width]
            made = torch.nn.functional.interpolate(
                part, (size, size), mode="bilinear", antialias=True
            )
            flipped = random.random() < 0.5
            batch[place : place + 1] = made.flip(-1) if flipped else made
        yield batch


def ways() -> list[Way]:
    """Return all the ways, those that cannot be measured here as well."""
    return [
        Way("ImageFolder + torchvision v2", _torchvision),
        Way("upsize, RandomResizedCropDecode", _decode, ours=True),
        Way("upsize, JPEG copies, full size from files", _copies, ours=True),
        Way(f"upsize, JPEG copies, shorter side {STORED}", _full_copies, ours=True),
        Way(f"upsize, raw copies, shorter side {STORED}", _raw, ours=True),
        Way("cv2.imread + cv2, by hand", by_hand.with_cv2, missing=by_hand.no_cv2),
        Way(
            "simplejpeg + cv2, by hand", by_hand.with_simplejpeg,
            missing=by_hand.no_cv2 or by_hand.no_simplejpeg,
        ),
        Way(
            f"FFCV jpg, longer side {STORED}", by_ffcv.jpg, missing=by_ffcv.no_ffcv
        ),
        Way(
            f"FFCV raw, longer side {STORED}", by_ffcv.raw, missing=by_ffcv.no_ffcv
        ),
        Way(f"bound: raw memory map of {STORED} px, torch", _bound),
        Way(BOUND, _bound_of_copies),
    ]  # fmt: skip
