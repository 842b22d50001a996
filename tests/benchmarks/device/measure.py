"""Time training steps at several sizes and batches, one after another."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from tests.benchmarks.device.workload import Trainer

from upsize.forecast._timer import ClockTimer, Timer, timer_for
from upsize.models._memory import memory_kind, peak_memory
from upsize.schedule import Size

__all__ = ["Point", "measure"]


class ProcessorTimer(ClockTimer):
    """Counts the seconds of the processor, which other processes disturb less."""

    def mark(self) -> float:
        return time.process_time() / torch.get_num_threads()


def timer_of(device: torch.device) -> Timer:
    return ProcessorTimer() if device.type == "cpu" else timer_for(device)


@dataclass
class Point:
    """Steps at one size with one batch.

    Args:
        size: Of the images.
        images: In a batch.
        seconds: Of a step, the mean of each round; empty where it does not fit.
        first: Seconds of the first step, with all that happens only once.
        peak: Bytes at the most, where the device counts them.
    """

    size: Size
    images: int
    seconds: list[float] = field(default_factory=list)
    first: float | None = None
    peak: int | None = None

    @property
    def step(self) -> float | None:
        """Median seconds of a step."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def rate(self) -> float | None:
        """Images per second."""
        return None if self.step is None else self.images / self.step


def measure(
    trainer: Trainer, cases: Iterable[tuple[Size, int]], rounds: int, steps: int
) -> dict[tuple[Size, int], Point]:
    """Train a few steps of each case in turn, several times.

    In turn, so that whatever else the machine does strikes all of them alike. The order
    is another one in each round.

    Args:
        trainer: The model.
        cases: (size, images in a batch).
        rounds: How often each is measured.
        steps: In each round.
    """
    points = {case: Point(*case) for case in cases}
    # First what happens only once: kernels are loaded, the optimizer makes its state.
    trainer.step(trainer.batch(max(points)[0], 2))
    for point in points.values():
        try:
            _first(trainer, point)
        except torch.OutOfMemoryError:
            point.first = None
        if point.first is None:  # outside of except, which holds the activations
            _release(trainer)
    fitting = [point for point in points.values() if point.first is not None]
    for number in range(rounds):
        turn = number % max(1, len(fitting))
        for point in (*fitting[turn:], *fitting[:turn]):
            point.seconds.append(_mean(trainer, point, steps))
    return points


def _first(trainer: Trainer, point: Point) -> None:
    """Warm a case up; measure its first step, and its peak once it is warm."""
    timer = timer_of(trainer.device)
    batch = trainer.batch(point.size, point.images)
    begin = timer.mark()
    trainer.step(batch)
    end = timer.mark()
    timer.wait()
    if memory_kind(trainer.device, backward=False) == "peak":  # pragma: no cover
        point.peak = peak_memory(trainer.device, lambda: trainer.step(batch))
    point.first = timer.seconds(begin, end)


def _release(trainer: Trainer) -> None:
    """Give the memory of a step that did not fit back to the device."""
    trainer.optimizer.zero_grad()
    gc.collect()
    if trainer.device.type != "cpu":  # pragma: no cover - needs an accelerator
        torch.get_device_module(trainer.device).empty_cache()


def _mean(trainer: Trainer, point: Point, steps: int) -> float:
    timer = timer_of(trainer.device)
    batch = trainer.batch(point.size, point.images)
    trainer.step(batch)  # the caches of another case
    begin = timer.mark()
    for _ in range(steps):
        trainer.step(batch)
    end = timer.mark()
    timer.wait()
    return timer.seconds(begin, end) / steps
