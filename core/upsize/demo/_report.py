"""The results of the demo: a table, its notes and a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from upsize.demo._run import Epoch
from upsize.plot import plot_accuracy, plot_sizes
from upsize.schedule import Plan

__all__ = [
    "Result",
    "headline",
    "notes",
    "picture",
    "results_table",
    "saved",
    "theoretical_maximum",
    "to_json",
]


class Result(NamedTuple):
    """A finished run: its name, its plan, and its state after each epoch."""

    name: str
    plan: Plan
    epochs: Sequence[Epoch]

    @property
    def seconds(self) -> float:
        """Seconds of training, without validation."""
        return self.epochs[-1].seconds

    @property
    def accuracy(self) -> float:
        """Accuracy after the last epoch."""
        return self.epochs[-1].accuracy


def saved(result: Result, baseline: Result) -> float:
    """Return the share of the baseline's training time that a run has saved."""
    return 1 - result.seconds / baseline.seconds


def theoretical_maximum(result: Result, baseline: Result) -> float:
    """Return the share of the baseline's pixels that a run has not trained on."""
    pixels = result.plan.pixel_share * result.plan.total_steps
    return 1 - pixels / (baseline.plan.pixel_share * baseline.plan.total_steps)


def results_table(results: Sequence[Result]) -> Table:
    """Return a table of the runs, compared with the first one.

    Savings are given only for runs with as many epochs as the first.

    Args:
        results: The baseline, then the others.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", no_wrap=True)
    headers = ("epochs", "training", "accuracy", "saved", "maximum", "achieved")
    for header in headers:
        table.add_column(header, justify="right")
    baseline = results[0]
    for result in results:
        cells = ["-", "-", "-"]
        same_length = len(result.epochs) == len(baseline.epochs)
        if result is not baseline and same_length:
            time = saved(result, baseline)
            pixels = theoretical_maximum(result, baseline)
            cells = [f"{100 * time:.1f} %", f"{100 * pixels:.1f} %"]
            cells.append(f"{100 * time / pixels:.0f} %" if pixels else "-")
        table.add_row(
            result.name,
            f"{len(result.epochs)}",
            f"{result.seconds:.1f} s",
            f"{100 * result.accuracy:.1f} %",
            *cells,
        )
    return table


def to_json(results: Sequence[Result]) -> str:
    """Return what the table shows, and each epoch of each run.

    Args:
        results: The baseline, then the others.
    """
    baseline = results[0]
    rows = [
        {
            "name": result.name,
            "seconds": result.seconds,
            "accuracy": result.accuracy,
            "saved": saved(result, baseline),
            "theoretical_maximum": theoretical_maximum(result, baseline),
            "epochs": [epoch._asdict() for epoch in result.epochs],
        }
        for result in results
    ]
    return json.dumps(rows, indent=2)


def notes(accuracy: float, images: int) -> str:
    """Say what the columns mean, and how far to trust the accuracy.

    Args:
        accuracy: A typical accuracy.
        images: Validation images that it was measured on.

    Example:
        >>> print(notes(0.81, 525).splitlines()[-1])
        A difference of less than 3.4 points may be chance (two standard errors).
    """
    error = 100 * math.sqrt(accuracy * (1 - accuracy) / images)
    return (
        "training: seconds of training, without validation; saved: share of full size's. "
        "maximum: what the pixels left out can save in theory; achieved: how much of that "
        "was saved. "
        f"Accuracy is measured at full size, on {images} images.\n"
        f"A difference of less than {2 * error:.1f} points may be chance (two standard "
        "errors)."
    )


def picture(results: Sequence[Result]) -> Figure:
    """Draw the runs over training time: the size of each step, above it the accuracy.

    The headline says what the second run saves.

    Args:
        results: The runs, in the order of their styles, the baseline first.
    """
    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    figure.suptitle(headline(results), fontweight="bold")
    # On one scale of time: a size stands below the accuracy that it leads to.
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    plot_accuracy({result.name: result.epochs for result in results}, upper)
    upper.set_ylabel("accuracy at full size (%)")
    upper.set_xlabel("")
    plot_sizes({result.name: result.plan for result in results}, lower)
    for result, line in zip(results, lower.lines, strict=True):
        ends = [0.0, *(epoch.seconds for epoch in result.epochs)]
        line.set_xdata(np.interp(line.get_xdata(), range(len(ends)), ends))
    lower.set_xlabel("training time (seconds)")
    lower.get_legend().remove()
    lower.relim()
    lower.set_xlim(left=0, right=1.02 * max(result.seconds for result in results))
    return figure


def headline(results: Sequence[Result]) -> str:
    """Say what the second run saves, and at which difference of accuracy.

    Args:
        results: The baseline, then the others.
    """
    baseline, other = results[:2]
    share = saved(other, baseline)
    time = f"{share:.0%} less time" if share >= 0 else f"{-share:.0%} more time"
    points = 100 * (other.accuracy - baseline.accuracy)
    return f"{other.name}: {time}, accuracy {points:+.1f} points"
