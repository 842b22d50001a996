"""What it costs to load an image of a folder at each size of a plan."""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from upsize._extras import require
from upsize.loading._cold import forget
from upsize.loading._images._folder import list_images
from upsize.loading._ways import COPIES, PLAIN, Way, ways_of
from upsize.schedule import Plan, Size

__all__ = ["LoadingTime", "LoadingTimes", "measure_loading"]

Track = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class LoadingTime:
    """What a way of loading takes.

    Args:
        name: The way.
        seconds: For an image, at each size of the plan, from the memory of the operating
            system.
        cold: The same from the disk; empty where files cannot be made to lie there alone.
        share: Share of the loading time of full-size training, over the whole plan, of
            ``seconds``.
        disk: Bytes of all the files that it needs, those of all images.
    """

    name: str
    seconds: dict[Size, float]
    cold: dict[Size, float]
    share: float
    disk: int


@dataclass(frozen=True)
class LoadingTimes:
    """What all ways take.

    Args:
        ways: The ways, the plain one first.
        not_cold: Why nothing is read from the disk; ``""`` when it is.
    """

    ways: tuple[LoadingTime, ...]
    not_cold: str


class _Turns:
    """Measures ways alternately, and keeps what they took.

    Args:
        ways: By their names.
        sizes: Of the plan.
        files: What is read.
        close: Called before files are dropped from memory, to unmap them.
    """

    def __init__(
        self,
        ways: Mapping[str, Way],
        sizes: Sequence[Size],
        files: Sequence[str],
        close: Callable[[], None],
    ) -> None:
        self._ways, self._sizes = ways, sizes
        self._files, self._close = files, close
        keys = list(itertools.product(ways, sizes))
        self._warm: dict[tuple[str, Size], list[float]] = {key: [] for key in keys}
        self._cold: dict[tuple[str, Size], list[float]] = {key: [] for key in keys}
        self.not_cold = ""

    def take(self) -> None:
        """Measure each way at each size, from the disk and then from memory."""
        for (name, size), seconds in self._cold.items():
            self._close()
            self.not_cold = self.not_cold or forget(self._files)
            if self.not_cold:
                break
            seconds.append(self._ways[name].seconds(size))
        for name, size in self._warm:
            if name in COPIES.values() or (name, size) == (PLAIN, self._sizes[-1]):
                self._ways[name].seconds(size)  # all files, into memory
        for (name, size), seconds in self._warm.items():
            seconds.append(self._ways[name].seconds(size))

    def warm(self) -> dict[str, dict[Size, float]]:
        """Return the seconds for an image from memory, by ways and sizes."""
        return self._medians(self._warm)

    def cold(self) -> dict[str, dict[Size, float]]:
        """Return the seconds for an image from the disk, if they are known."""
        if self.not_cold:
            return {name: {} for name in self._ways}
        return self._medians(self._cold)

    def _medians(
        self, times: Mapping[tuple[str, Size], list[float]]
    ) -> dict[str, dict[Size, float]]:
        found = {
            name: {size: statistics.median(times[name, size]) for size in self._sizes}
            for name in self._ways
        }
        # It makes full size at every step: one figure, of all its turns.
        plain = statistics.median(found[PLAIN].values())
        found[PLAIN] = dict.fromkeys(self._sizes, plain)
        return found


def measure_loading(
    folder: str | PathLike[str],
    plan: Plan,
    *,
    images: int = 256,
    turns: int = 3,
    copies: str | PathLike[str] | None = None,
    seed: int = 0,
    track: Track = lambda turns, _: turns,
) -> LoadingTimes:
    """Measure the time of loading in one process, as medians of alternating turns.

    Samples are random crops of torchvision's ``RandomResizedCrop``, converted to float.
    Further transforms would cost the same for every way.

    Args:
        folder: Images at any depth.
        plan: Plan whose sizes are measured.
        images: At most this many, drawn by the seed.
        turns: How often each way is measured at each size.
        copies: Folder of their small copies, to measure these as well.
        seed: Draws the images.
        track: Called with the turns and their number, as a progress bar is.

    Returns:
        What each way takes, the plain one first.

    Raises:
        ValueError: For a folder without images, copies of none of them, or a number
            below 1; names it.
        ImportError: Without torchvision.
    """
    require("torchvision", "jpeg", "Measurements of loading")  # has the plain way
    for name, value in (("images", images), ("turns", turns)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    root = Path(folder)
    listed = list_images(root).images
    if not listed:
        raise ValueError(f"{root}: no images in this folder")
    drawn = random.Random(seed).sample([*listed], min(images, len(listed)))
    files = [str(root / name) for name in drawn]
    loader, encoding, close = None, "jpeg", lambda: None
    if copies is not None:
        from upsize.loading._copies._read import CopyLoader  # needs LMDB
        from upsize.loading._copies._readers import close_reader, open_reader

        reader = open_reader(Path(copies))
        made = reader.settings
        loader = CopyLoader(root, copies, full_copy=made.full_copy is not None)
        if reader.images().keys().isdisjoint(drawn):
            raise ValueError(
                f"{copies}: has no copies of the images in {root}: give the folder that "
                "they were made of, or make copies of these"
            )
        encoding, close = made.encoding, partial(close_reader, Path(copies))
    disk = sum(found.bytes for found in listed.values())
    ways = ways_of(files, plan, disk, loader, encoding)
    if copies is not None:
        files += map(str, Path(copies).iterdir())  # a store holds nothing else
    measured = _Turns(ways, plan.sizes, files, close)
    for _ in track(range(turns), turns):
        measured.take()
    warm, cold = measured.warm(), measured.cold()
    plain = warm[PLAIN][plan.final_size]
    shares = plan.share_by_size  # of the images, where batches grow
    return LoadingTimes(
        tuple(
            LoadingTime(
                name,
                warm[name],
                cold[name],
                sum(float(share) * warm[name][size] for size, share in shares.items())
                / plain,
                way.disk,
            )
            for name, way in ways.items()
        ),
        measured.not_cold,
    )
