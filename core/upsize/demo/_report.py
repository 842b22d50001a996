"""The results of the demo: a table, its notes and a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from rich.table import Table

from upsize.demo._run import Epoch
from upsize.plot import plot_accuracy, plot_sizes
from upsize.schedule import Plan

__all__ = ["Result", "notes", "picture", "promised", "results_table", "saved"]


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


def promised(result: Result, baseline: Result) -> float:
    """Return the share of the baseline's pixels that a run has not trained on."""
    pixels = result.plan.pixel_share * result.plan.total_steps
    return 1 - pixels / (baseline.plan.pixel_share * baseline.plan.total_steps)


def results_table(results: Sequence[Result]) -> Table:
    """Return a table of the runs, compared with the first one.

    Savings are given only for runs with as many epochs as the first.

    Args:
        results: The baseline, then the others.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("run", no_wrap=True)
    headers = ("epochs", "training", "accuracy", "time saved", "promised", "realised")
    for header in headers:
        table.add_column(header, justify="right")
    baseline = results[0]
    for result in results:
        cells = ["-", "-", "-"]
        same_length = len(result.epochs) == len(baseline.epochs)
        if result is not baseline and same_length:
            time, pixels = saved(result, baseline), promised(result, baseline)
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
        "training: seconds of training, without validation. promised: what the pixels "
        "left out would save; realised: how much of that was saved. "
        f"Accuracy is measured at full size, on {images} images.\n"
        f"A difference of less than {2 * error:.1f} points may be chance (two standard "
        "errors)."
    )


def picture(results: Sequence[Result]) -> Figure:
    """Draw the runs: on the left the size of each step, on the right the accuracy.

    Args:
        results: The runs, in the order of their styles.
    """
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_sizes({result.name: result.plan for result in results}, left)
    plot_accuracy({result.name: result.epochs for result in results}, right)
    left.set_title("Size of the images")
    right.set_title("Validation accuracy at full size")
    return figure
