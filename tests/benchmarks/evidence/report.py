"""The table and the picture of what was measured, and both in the documentation."""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tests.benchmarks.evidence.task import Parts
from tests.benchmarks.evidence.train import ARRANGEMENTS, BATCH_SIZE
from tests.benchmarks.figures import around_figures, markdown, processor

from upsize.plot import save
from upsize.plot._style import axes, style

__all__ = [
    "FULL",
    "LONGER",
    "PROGRESSIVE",
    "SHORTER",
    "about",
    "alone",
    "draw",
    "from_size",
    "insert",
    "least_time",
    "of",
    "table",
]

FULL, SHORTER = "full size", "full size, shorter"
PROGRESSIVE, LONGER = "progressive", "progressive, longer"

_HEAD = ("trained on", "epochs", "CPU time", "cells that are right")

Found = dict[str, Any]


def alone(side: int) -> str:
    """Return the name of a training that has small images only."""
    return f"{side} px alone"


def from_size(side: int) -> str:
    """Return the name of a progressive training that starts at a size of its own."""
    return f"progressive, from {side} px"


def least_time(runs: Sequence[Found]) -> float:
    """Return the CPU seconds of the fastest training: what else runs only adds to them."""
    return float(min(run["cpu"] for run in runs))


def of(runs: Sequence[Found], name: str) -> list[Found]:
    """Return the trainings of a name, one for each seed."""
    return [run for run in runs if run["name"] == name]


def about(args: argparse.Namespace, parts: Parts) -> Found:
    """Return what the figures depend on."""
    part = "validation" if args.validation else "held out"
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sizes": args.sizes,
        "grow": args.grow,
        "least": args.least,
        "batch": BATCH_SIZE,
        "photographs": len(parts.train),
        "part": part,
        "checked on": len(parts.validation if args.validation else parts.held_out),
        "arrangements": ARRANGEMENTS,
    }


def _names(found: Found) -> list[str]:
    """Return the names of the trainings in the order of the table."""
    small = found["about"]["sizes"][:-1]
    ours = [PROGRESSIVE, LONGER, from_size(small[-1])]
    return [*(alone(side) for side in small), SHORTER, FULL, *ours]


def _spread(values: Sequence[float]) -> float:
    """Return the standard deviation over the seeds."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _row(name: str, runs: Sequence[Found]) -> tuple[str, ...]:
    accuracy = [100 * run["accuracy"] for run in runs]
    return (
        name,
        f"{runs[0]['epochs']}",
        f"{least_time(runs):.1f} s",
        f"{statistics.mean(accuracy):.1f} ± {_spread(accuracy):.1f} %",
    )


def table(found: Found) -> str:
    """Return a line for each kind of training: the mean over its seeds, and the spread."""
    rows = [
        _row(name, runs) for name in _names(found) if (runs := of(found["runs"], name))
    ]
    return markdown([_HEAD, *rows])


def insert(page: str, found: Found) -> str:
    """Return the page with the table between its two marks.

    Raises:
        ValueError: When the page lacks a mark.
    """
    before, after = around_figures(page)
    return f"{before}\n\n{table(found)}\n\n{after}"


def draw(path: Path, found: Found) -> None:
    """Draw what each kind of training reached, with the seeds' spread and its time."""
    ax = axes(None)
    names = _names(found)
    for row, name in enumerate(names):
        runs = of(found["runs"], name)
        percent = [100 * run["accuracy"] for run in runs]
        mean, spread = statistics.mean(percent), _spread(percent)
        look = style(1 if name.startswith(PROGRESSIVE) else 0)
        ax.errorbar(
            mean, row, xerr=spread, color=look.color, marker=look.marker, capsize=3
        )
        cpu = least_time(runs)
        ax.annotate(
            f"{cpu:.1f} s", (mean + spread, row), (8, 0),
            textcoords="offset points", va="center", fontsize=9,
        )  # fmt: skip
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set(
        xlabel="cells that are right (%)",
        title="Accuracy, and CPU time of training",
    )
    save(ax, path)
