"""Take the time of a run, and compare it with the forecast."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from upsize.forecast._prediction import Prediction
from upsize.forecast._timer import timer_for
from upsize.resize import Resizer
from upsize.schedule import Size

__all__ = ["Report", "Row", "Watch"]


class Row(NamedTuple):
    """The steps at a size: how many, and the seconds of one, foretold and measured."""

    size: Size
    steps: int
    forecast: float
    measured: float


class Report(NamedTuple):
    """A forecast beside what was measured.

    Args:
        rows: A row for each size, where steps were watched.
        forecast_seconds: Of the steps that were watched, or of the run.
        seconds: What they took.
        forecast_saving: Share of full-size training.
        saving: The same, measured; ``None`` where nothing was trained at full size.
    """

    rows: tuple[Row, ...]
    forecast_seconds: float
    seconds: float
    forecast_saving: float
    saving: float | None

    def __str__(self) -> str:
        lines = [
            f"{'size':>10}  {'steps':>7}  {'forecast ms':>11}  {'measured ms':>11}"
        ]
        lines += [
            f"{row.size!s:>10}  {row.steps:7}  {1000 * row.forecast:11.1f}  "
            f"{1000 * row.measured:11.1f}"
            for row in self.rows
        ]
        if not self.rows:
            lines = []
        lines.append(
            f"forecast {self.forecast_seconds:.1f} s, measured {self.seconds:.1f} s "
            f"({self.seconds / self.forecast_seconds - 1:+.1%})"
        )
        if self.saving is not None:
            lines.append(
                f"saving: forecast {self.forecast_saving:.1%}, measured {self.saving:.1%} "
                f"({100 * (self.saving - self.forecast_saving):+.1f} points)"
            )
        return "\n".join(lines)


class Watch:
    """Takes the time of every step, from the call for a batch to the next call.

    Validation between the epochs is not counted. On an accelerator it waits for the
    device at the end of an epoch and where the size changes, and at no other step.

    Args:
        prediction: What it is compared with.
        resizer: How to find the images, as in the training.

    Example:
        >>> import torch
        >>> from upsize.forecast import Costs, Forecast
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> full = {"size": (64, 64), "step": 0.4, "resize": 0, "wait": 0, "first": 0}
        >>> forecast = Forecast(
        ...     device="cpu", batch_size=2, workers=0, cores=2, final_size=(64, 64),
        ...     as_it_is=Costs(sizes=(full | {"size": (32, 32), "step": 0.1}, full)),
        ...     sized=None, not_sized="no DataLoader", switch=0.0, validation=None,
        ... )
        >>> ramp = Ramp(final_size=64, increase_by=32)
        >>> watch = forecast.predict(ramp, total_steps=8).watch()
        >>> resize = ProgressiveResize(ramp, total_steps=8)
        >>> for images in watch(resize.batches([torch.rand(2, 3, 64, 64)] * 8)):
        ...     pass  # train
        >>> [(str(row.size), row.steps) for row in watch.report().rows]
        [('32x32', 4), ('64x64', 4)]
    """

    def __init__(self, prediction: Prediction, resizer: Resizer | None = None) -> None:
        self.prediction = prediction
        self._resizer = Resizer() if resizer is None else resizer
        self._steps: dict[Size, int] = {}
        self._seconds: dict[Size, float] = {}

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of an epoch, and take the time of each.

        Args:
            batches: As they are trained on, resized.
        """
        full = self.prediction.plan.final_size
        clock, last, timer = time.perf_counter(), None, None
        for batch in batches:
            size = self._resizer.image_size(batch, full=full)
            if timer is None:
                timer = timer_for(self._resizer.first_image(batch).device)
            if last != size:
                timer.wait()
            yield batch
            last = size
            now = time.perf_counter()
            self._add(size, now - clock, 1)
            clock = now
        if last is not None and timer is not None:
            timer.wait()
            self._add(last, time.perf_counter() - clock, 0)

    def _add(self, size: Size, seconds: float, steps: int) -> None:
        self._steps[size] = self._steps.get(size, 0) + steps
        self._seconds[size] = self._seconds.get(size, 0.0) + seconds

    def report(self) -> Report:
        """Return the comparison, of the steps that were watched.

        The measured saving compares the steps with as many at the full size's own time.

        Raises:
            ValueError: When no step was watched, or one at a size that was not measured.
        """
        costs = self.prediction.costs
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
        foretold = sum(row.steps * row.forecast for row in rows)
        full = self.prediction.plan.final_size
        saving = None
        if full in self._steps:
            at_full = self._seconds[full] / self._steps[full]
            saving = 1 - seconds / (total * at_full)
        return Report(
            rows, foretold, seconds, 1 - foretold / (total * costs.full.total), saving
        )
