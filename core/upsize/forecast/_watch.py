"""Time a run, and compare it with the forecast."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from upsize.forecast._costs import Costs
from upsize.forecast._report import Report, Row
from upsize.forecast._timer import timer_for
from upsize.resize import Resizer
from upsize.schedule import Plan, Size

__all__ = ["Watch"]


class Watch:
    """Times every step, from the call for a batch to the next call.

    Validation between epochs is not counted. On an accelerator it waits for the device
    only at the end of an epoch and where the size changes.

    Args:
        plan: The plan of the run. If its batch grows, a step counts as many times as it
            holds batches of full size.
        costs: What a step was predicted to cost at each size; ``None``: unknown, so
            there is no report.
        resizer: How to find the images, as in the training.

    Example:
        >>> import torch
        >>> from upsize.forecast import Costs, SizeCost
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> parts = {"resize": 0, "wait": 0, "first_batch": 0}
        >>> costs = Costs(sizes=(
        ...     SizeCost(size=(32, 32), step=0.1, **parts),
        ...     SizeCost(size=(64, 64), step=0.4, **parts),
        ... ))
        >>> ramp = Ramp(final_size=64, increase_by=32)
        >>> watch = Watch(ramp.plan(total_steps=8), costs)
        >>> resize = ProgressiveResize(ramp, total_steps=8)
        >>> for images in watch(resize.batches([torch.rand(2, 3, 64, 64)] * 8)):
        ...     pass  # train
        >>> [(str(row.size), row.steps) for row in watch.report().rows]
        [('32x32', 4), ('64x64', 4)]
    """

    def __init__(
        self, plan: Plan, costs: Costs | None, resizer: Resizer | None = None
    ) -> None:
        self.plan, self.costs = plan, costs
        self._resizer = Resizer() if resizer is None else resizer
        self._steps: dict[Size, float] = {}
        self._seconds: dict[Size, float] = {}

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of an epoch, and time each.

        Args:
            batches: The batches of the training, resized.
        """
        full = self.plan.final_size
        clock, last, timer = time.perf_counter(), None, None
        for batch in batches:
            found = self._resizer.read(batch, full=full)
            size = found.size
            if timer is None:
                timer = timer_for(found.first.device)
            if last != size:
                timer.wait()
            yield batch
            last = size
            now = time.perf_counter()
            steps: float = 1
            if self.plan.grow is not None:
                steps = len(found.first) / self.plan.grow.plain_batch()
            self._add(size, now - clock, steps)
            clock = now
        if last is not None and timer is not None:
            timer.wait()
            self._add(last, time.perf_counter() - clock, 0)

    def _add(self, size: Size, seconds: float, steps: float) -> None:
        self._steps[size] = self._steps.get(size, 0) + steps
        self._seconds[size] = self._seconds.get(size, 0.0) + seconds

    def report(self) -> Report:
        """Return the comparison for the steps that were watched.

        The measured saving compares the steps with as many at the full size's own time.

        Raises:
            ValueError: When no step was watched, or a step had a size that was not
                measured.
        """
        costs = self.costs
        if not self._steps or costs is None:
            raise ValueError(
                "no step was watched: iterate over watch(batches) in the training"
            )
        rows = tuple(
            Row(
                size,
                steps,
                costs.at(size).total,
                self._seconds[size] / steps,
            )
            for size, steps in self._steps.items()
        )
        total, seconds = sum(self._steps.values()), sum(self._seconds.values())
        predicted = sum(row.steps * row.forecast for row in rows)
        full = self.plan.final_size
        saving = None
        if full in self._steps:
            at_full = self._seconds[full] / self._steps[full]
            saving = 1 - seconds / (total * at_full)
        return Report(
            rows,
            predicted,
            seconds,
            1 - predicted / (total * costs.at_full_size.total),
            saving,
        )
