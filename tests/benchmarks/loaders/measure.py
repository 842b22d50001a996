"""Measure ways alternately on one core."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tests.benchmarks.loaders.photographs import Photographs
from tests.benchmarks.loaders.setting import Opened
from tests.benchmarks.loaders.ways import Way

__all__ = ["Measured", "measure", "one_core"]


@dataclass(frozen=True)
class Measured:
    """Images per second of a way on some photographs.

    Args:
        photographs: "easy" or "hard".
        way: Its name.
        ours: Whether it is of upsize.
        disk: Bytes that it needs.
        cpu: Images per second of the process's CPU time in each round, at each size.
            What other processes do on the machine changes it little.
        wall: Images per second.
    """

    photographs: str
    way: str
    ours: bool
    disk: int
    cpu: dict[int, list[float]] = field(default_factory=dict)
    wall: dict[int, list[float]] = field(default_factory=dict)

    def rate(self, size: int, clock: str = "cpu") -> float:
        """Return the median of the rounds."""
        rates: dict[int, list[float]] = getattr(self, clock)
        return statistics.median(rates[size])


@contextmanager
def one_core() -> Iterator[int | None]:
    """Keep this process on one core, by one thread of torch.

    Yields:
        The number of the core; ``None`` where the system cannot do that.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    try:
        if cores is None:
            yield None
        else:
            os.sched_setaffinity(0, {max(cores)})
            yield max(cores)
    finally:
        if cores is not None:
            os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def _rates(opened: Opened, size: int, count: int) -> tuple[float, float]:
    """Return images per second of CPU time and of time, over all the images."""
    wall, cpu = time.perf_counter(), time.process_time()
    images = 0
    for batch in opened.epochs[size]():
        pixels = batch[0] if isinstance(batch, tuple | list) else batch
        if pixels.shape[1:] != (3, size, size) or pixels.dtype != torch.uint8:
            raise AssertionError(f"{pixels.shape}, {pixels.dtype}")
        images += len(pixels)
    if images != count:
        raise AssertionError(f"{images} of {count} images")
    return (
        count / (time.process_time() - cpu),
        count / (time.perf_counter() - wall),
    )


def measure(
    photos: Photographs,
    ways: Sequence[Way],
    sizes: Sequence[int],
    rounds: int,
    folder: Path,
    say: Callable[[str], None],
) -> list[Measured]:
    """Load all photographs at each size in every way, alternately.

    Args:
        photos: The photographs.
        ways: Those that can be measured.
        sizes: In pixels, from small to full.
        rounds: How often; each begins with another way. One before is not counted: it
            reads the files into memory, and compiles.
        folder: Where ways store what they need.
        say: Called with what is going on.
    """
    count = len(photos.paths)
    opened = {}
    for number, way in enumerate(ways):
        say(f"{photos.name}: {way.name}")
        opened[way.name] = way.open(photos, sizes, folder / f"{photos.name}-{number}")
        for size in sizes:
            _rates(opened[way.name], size, count)
    found = {
        way.name: Measured(photos.name, way.name, way.ours, opened[way.name].disk)
        for way in ways
    }
    for number in range(rounds):
        say(f"{photos.name}: round {number + 1} of {rounds}")
        first = number % len(ways)
        for way in [*ways[first:], *ways[:first]]:
            for size in sizes:
                cpu, wall = _rates(opened[way.name], size, count)
                found[way.name].cpu.setdefault(size, []).append(cpu)
                found[way.name].wall.setdefault(size, []).append(wall)
    return list(found.values())
