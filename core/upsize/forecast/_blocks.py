"""Train a few steps at one size, and read what each part of them costs."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from upsize.forecast._costs import SizeCost
from upsize.forecast._timer import Timer
from upsize.resize import Resizer
from upsize.schedule import Size

__all__ = ["Fixed", "Grown", "Loading", "Measurement", "cost_of", "measure_steps"]


class Fixed:
    """Sizes of a loader that draws every batch at the size that is set.

    Args:
        final_size: The full size.
        resizer: How the run resizes; the workers cut windows if it does.
    """

    def __init__(self, final_size: Size, resizer: Resizer | None = None) -> None:
        self.final_size = self.size = final_size
        self.resizer = resizer

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size that is set, without end."""
        del batches
        return itertools.repeat(self.size)


@dataclass(frozen=True)
class Grown:
    """Larger batches while images are small.

    Args:
        batch: Images in a batch of the loader.
        images: Images in a batch at each size.
        enlarge: (batch, images) to the batch with so many.
    """

    batch: int
    images: Mapping[Size, int]
    enlarge: Callable[[Any, int], Any]

    def share(self, size: Size) -> Fraction:
        """Return how many batches of the loader one at this size is."""
        return Fraction(self.images[size], self.batch)


@dataclass(frozen=True)
class Loading:
    """A way of loading.

    Args:
        loader: Gives the batches.
        resize: (batch, size) to the batch on the device at that size.
        fixed: Is told the size beforehand, where the loader makes it.
        grown: Larger batches, made of several of the loader's.
    """

    loader: Iterable[Any]
    resize: Callable[[Any, Size], Any]
    fixed: Fixed | None = None
    grown: Grown | None = None

    def groups(self, size: Size) -> Iterator[list[Any]]:
        """Yield the batches that a step at a size takes, in groups."""
        share = Fraction(1) if self.grown is None else self.grown.share(size)
        group: list[Any] = []
        steps = 0
        for number, batch in enumerate(self.loader, 1):
            group.append(batch)
            if number >= (steps + 1) * share:
                yield group
                group, steps = [], steps + 1

    def batch_of(self, group: list[Any], size: Size) -> Any:
        """Return the batch that a step trains on."""
        batches = [self.resize(batch, size) for batch in group]
        if self.grown is None:
            return batches[0]
        return self.grown.enlarge(batches[0], self.grown.images[size])

    @property
    def workers(self) -> int:
        """How many processes load."""
        return int(getattr(self.loader, "num_workers", 0))


@dataclass(frozen=True)
class Measurement:
    """Some steps at one size: means in seconds, and how much longer the first took."""

    step: float
    resize: float
    wait: float
    first_batch: float
    first_step_extra: float


def measure_steps(
    loading: Loading,
    size: Size,
    step: Callable[[Any], None],
    timer: Timer,
    seconds: float,
) -> Measurement:
    """Train at one size, from the beginning of an epoch.

    It takes means: several workers deliver in bursts, which a median does not see.

    Args:
        loading: How batches are loaded.
        size: The size.
        step: Trains on a batch.
        timer: Of the device.
        seconds: How long; but at least four steps and two for each worker, if the epoch
            has as many.

    Raises:
        ValueError: When the loader gives no batch.
    """
    if loading.fixed is not None:
        loading.fixed.size = size
    # The workers' first batches arrive together: the usual pace begins after them.
    skipped = max(1, loading.workers)
    least = max(4, 2 * loading.workers)
    if loading.grown is not None:
        least = max(2, math.ceil(least / loading.grown.share(size)))
    least += skipped
    begin, first = time.perf_counter(), 0.0
    marks: list[tuple[Any, Any, Any]] = []
    for group in loading.groups(size):
        first = first or time.perf_counter() - begin
        loaded = timer.mark()
        batch = loading.batch_of(group, size)
        resized = timer.mark()
        step(batch)
        marks.append((loaded, resized, timer.mark()))
        if len(marks) >= least and time.perf_counter() - begin > seconds:
            break
    if not marks and loading.grown is not None:
        count = loading.grown.images[size]
        raise ValueError(f"an epoch of the loader has fewer than {count} images")
    if not marks:
        raise ValueError("the loader is empty: there is nothing to measure")
    timer.wait()
    return _read(marks, min(skipped, len(marks) - 1), first, timer)


def _read(
    marks: list[tuple[Any, Any, Any]], skipped: int, first: float, timer: Timer
) -> Measurement:
    """Return what the steps after the skipped ones took, on average."""
    kept = marks[skipped:]
    steps = [timer.seconds(resized, done) for _, resized, done in kept]
    resizes = [timer.seconds(loaded, resized) for loaded, resized, _ in kept]
    waits = [
        timer.seconds(before[2], after[0])
        for before, after in itertools.pairwise(marks[max(0, skipped - 1) :])
    ]
    return Measurement(
        step=statistics.fmean(steps),
        resize=statistics.fmean(resizes),
        wait=statistics.fmean(waits) if waits else first,
        first_batch=first,
        first_step_extra=timer.seconds(marks[0][1], marks[0][2])
        - statistics.median(steps),
    )


def cost_of(
    size: Size, measurements: list[Measurement], share: Fraction | int = 1
) -> SizeCost:
    """Return the medians over measurements of one size.

    Args:
        size: The size.
        measurements: Of steps.
        share: How many batches of the loader a step took: costs are those of one.
    """

    def median(part: str) -> float:
        return float(statistics.median(getattr(each, part) for each in measurements))

    parts = {part: median(part) / share for part in ("step", "resize", "wait")}
    rest = float(share - 1) * parts["wait"]
    return SizeCost(
        size=size, **parts, first_batch=max(0.0, median("first_batch") - rest)
    )
