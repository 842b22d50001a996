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
from upsize.schedule import Plan, Size

__all__ = ["Block", "Fixed", "Way", "cost_of", "run_block"]


class Fixed:
    """Sizes of a loader that draws every batch at the size that is set.

    Args:
        plan: Has the full size.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.size: Size = plan.final_size

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size that is set, without end."""
        del batches
        return itertools.repeat(self.size)

    def expect_sized(self) -> None:
        """Have nothing to do: no batch is corrected."""


@dataclass(frozen=True)
class Way:
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
class Block:
    """Some steps at one size: means in seconds, and how much longer the first took."""

    step: float
    resize: float
    wait: float
    first: float
    extra: float


def run_block(
    way: Way, size: Size, step: Callable[[Any], None], timer: Timer, seconds: float
) -> Block:
    """Train at one size, from the beginning of an epoch on.

    Means, not medians: several workers deliver in bursts, of which a median sees nothing.

    Args:
        way: How batches are loaded.
        size: The size.
        step: Trains on a batch.
        timer: Of the device.
        seconds: How long; but at least four steps, and two for each worker, as far as
            the epoch has them.

    Raises:
        ValueError: When the loader gives no batch.
    """
    if way.fixed is not None:
        way.fixed.size = size
    # The workers' first batches arrive together: what follows them is the usual pace.
    skipped = max(1, way.workers)
    least = skipped + max(4, 2 * way.workers)
    begin, first = time.perf_counter(), 0.0
    marks: list[tuple[Any, Any, Any]] = []
    for batch in way.loader:
        first = first or time.perf_counter() - begin
        loaded = timer.mark()
        batch = way.resize(batch, size)
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
) -> Block:
    """Return what the steps after the skipped ones took, on average."""
    kept = marks[skipped:]
    steps = [timer.seconds(resized, done) for _, resized, done in kept]
    resizes = [timer.seconds(loaded, resized) for loaded, resized, _ in kept]
    waits = [
        timer.seconds(before[2], after[0])
        for before, after in itertools.pairwise(marks[max(0, skipped - 1) :])
    ]
    return Block(
        step=statistics.fmean(steps),
        resize=statistics.fmean(resizes),
        wait=statistics.fmean(waits) if waits else first,
        first=first,
        extra=timer.seconds(marks[0][1], marks[0][2]) - statistics.median(steps),
    )


def cost_of(size: Size, blocks: list[Block]) -> SizeCost:
    """Return the medians over blocks of one size."""

    def median(part: str) -> float:
        return float(statistics.median(getattr(block, part) for block in blocks))

    parts = {part: median(part) for part in ("step", "resize", "wait", "first")}
    return SizeCost(size=size, **parts)
