"""A forecast beside what was measured afterwards."""

from __future__ import annotations

from typing import NamedTuple

from upsize.schedule import Size

__all__ = ["Report", "Row"]


class Row(NamedTuple):
    """The steps at a size: how many, and the seconds of one, predicted and measured."""

    size: Size
    steps: float
    forecast: float
    measured: float


class Report(NamedTuple):
    """A forecast beside what was measured.

    Args:
        rows: A row for each size, where steps were watched.
        forecast_seconds: Predicted time of the watched steps, or of the run.
        seconds: Their measured time.
        forecast_saving: Predicted saving, a share of full-size training.
        saving: Measured saving; ``None`` where nothing was trained at full size.

    Example:
        >>> print(Report((), 100.0, 105.0, 0.4, None))
        forecast 100.0 s, measured 105.0 s (+5.0%)
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
            f"{row.size!s:>10}  {row.steps:7.6g}  {1000 * row.forecast:11.1f}  "
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
