"""Train a few steps at one size, and read what each part of them costs."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from upsize.forecast._costs import SizeCost
from upsize.forecast._timer import Timer
from upsize.schedule import Size

__all__ = ["Fixed", "Loading", "Measurement", "cost_of", "measure_steps"]


class Fixed:
    """Sizes of a loader that draws every batch at the size that is set.

    Args:
        final_size: The full size.
    """

    def __init__(self, final_size: Size) -> None:
        self.final_size = self.size = final_size

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size that is set, without end."""
        del batches
        return itertools.repeat(self.size)


@dataclass(frozen=True)
class Loading:
    """A way of loading.

    Args:
        loader: Gives the batches.
        resize: (batch, size) to the batch on the device at that size.
        fixed: Is told the size beforehand, where the loader makes it.
    """

    loader: Iterable[Any]
    resize: Callable[[Any, Size], Any]
    fixed: Fixed | None = None

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
    least = skipped + max(4, 2 * loading.workers)
    begin, first = time.perf_counter(), 0.0
    marks: list[tuple[Any, Any, Any]] = []
    for batch in loading.loader:
        first = first or time.perf_counter() - begin
        loaded = timer.mark()
        batch = loading.resize(batch, size)
        resized = timer.mark()
        step(batch)
        marks.append((loaded, resized, timer.mark()))
        if len(marks) >= least and time.perf_counter() - begin > seconds:
            break
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


def cost_of(size: Size, measurements: list[Measurement]) -> SizeCost:
    """Return the medians over measurements of one size."""

    def median(part: str) -> float:
        return float(statistics.median(getattr(each, part) for each in measurements))

    parts = {part: median(part) for part in ("step", "resize", "wait", "first_batch")}
    return SizeCost(size=size, **parts)
