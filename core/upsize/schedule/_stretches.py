"""Which batch has which samples: stretches of samples, cut into batches.

A stretch is what no batch may cross the ends of: the samples of a stage within one
epoch. The whole epochs of a stage are cut alike, so a stage has at most three segments:
the rest of the epoch in which it begins, its whole epochs, and the begin of the epoch
in which it ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Segment", "Stretches"]


class Segment(NamedTuple):
    """Stretches of equal length, one after the other.

    A stretch has batches of ``batch`` samples, and the last one has the rest. If the
    rest were shorter than the ``plain`` batch, the last two batches share what they
    have: a batch of very few samples would be a poor one for batch normalization.

    Attributes:
        step: Steps before the first stretch.
        sample: Samples before it.
        length: Samples of each stretch.
        batch: Most samples of a batch.
        plain: Samples of a batch that has not grown.
    """

    step: int
    sample: int
    length: int
    batch: int
    plain: int

    @property
    def batches(self) -> int:
        """Batches of a stretch."""
        return -(-self.length // self.batch)

    @property
    def last(self) -> int:
        """Samples of the last batch of a stretch."""
        rest = self.length - (self.batches - 1) * self.batch
        if self.batches > 1 and rest < self.plain < self.batch:
            return (self.batch + rest) // 2
        return rest

    def before(self, index: int) -> int:
        """Return the samples of a stretch before its batch ``index``."""
        if index == self.batches - 1:
            return self.length - self.last
        return min(index * self.batch, self.length)


class Stretches:
    """The batches of a run: where each begins, in O(log stages).

    Args:
        stages: (samples, batch) of each stage: the samples before it, ascending from 0,
            and the samples of its batches.
        total: Samples of the run; after them the last stage continues.
        epoch: Samples of an epoch.
        plain: Samples of a batch that has not grown.

    Example:
        >>> run = Stretches([(0, 4), (15, 2)], total=20, epoch=10, plain=2)
        >>> [run.batch_at(step) for step in range(10)]
        [4, 4, 2, 3, 2, 2, 2, 1, 2, 2]
        >>> [run.samples_at(step) for step in (0, 3, 5, 8, 9)]
        [0, 10, 15, 20, 22]
    """

    def __init__(
        self, stages: Iterable[tuple[int, int]], total: int, epoch: int, plain: int
    ) -> None:
        stages = list(stages)
        stops = [sample for sample, _ in stages[1:]] + [total]
        self._segments: list[Segment] = []
        step = 0
        for (sample, batch), stop in zip(stages, stops, strict=True):
            while sample < stop:
                length = min(stop - sample, epoch - sample % epoch)
                times = (stop - sample) // epoch if length == epoch else 1
                segment = Segment(step, sample, length, batch, plain)
                self._segments.append(segment)
                step += times * segment.batches
                sample += times * length
        #: Steps and samples of the run.
        self.steps, self.total = step, total
        batch = stages[-1][1]
        if total % epoch:
            length = epoch - total % epoch
            segment = Segment(step, total, length, batch, plain)
            self._segments.append(segment)
            step, total = step + segment.batches, total + length
        self._segments.append(Segment(step, total, epoch, batch, plain))
        self._steps = [segment.step for segment in self._segments]
        self._samples = [segment.sample for segment in self._segments]

    def samples_at(self, step: int) -> int:
        """Return the samples before a step."""
        segment, times, index = self._find(step)
        return segment.sample + times * segment.length + segment.before(index)

    def batch_at(self, step: int) -> int:
        """Return the samples of a step."""
        segment, _, index = self._find(step)
        return segment.before(index + 1) - segment.before(index)

    def step_at(self, samples: int) -> int:
        """Return the first step that does not begin before so many samples."""
        segment = self._segments[bisect_right(self._samples, samples) - 1]
        times, rest = divmod(samples - segment.sample, segment.length)
        index = -(-rest // segment.batch)
        if segment.before(index) < rest:  # the last two batches share
            index += 1
        return segment.step + times * segment.batches + index

    def _find(self, step: int) -> tuple[Segment, int, int]:
        """Return the segment of a step, the stretches before its own, and its index."""
        segment = self._segments[bisect_right(self._steps, step) - 1]
        return segment, *divmod(step - segment.step, segment.batches)
