"""The tables of docs/gpu.md: what both benchmarks measured on a GPU."""

from __future__ import annotations

import statistics
from typing import Any

from tests.benchmarks.batch import table
from tests.benchmarks.figures import around_figures, markdown

__all__ = ["insert"]

Found = dict[str, Any]


def insert(page: str, found: Found) -> str:
    """Return the page with the tables between its two marks.

    Args:
        page: The text of docs/gpu.md.
        found: "rates" as ``tests.benchmarks.batch`` wrote it, "steps" as
            ``tests.benchmarks.gpu`` did.

    Raises:
        ValueError: When the page lacks a mark.
    """
    before, after = around_figures(page)
    parts = [before]
    for model in found["rates"]["models"]:
        parts += [
            f"{model['model']}, {model['mode']}: images per second, and the images of a "
            "batch in parentheses.",
            markdown(table(model["rows"])),
        ]
    parts += [
        f"Milliseconds of a step with {found['steps']['batch']} images:",
        markdown(_steps(found["steps"]["models"])),
    ]
    return "\n\n".join([*parts, after])


def _steps(models: list[Found]) -> list[tuple[str, ...]]:
    """Return the time of a step at each size, and of the usual first one, by model."""
    sizes = [point["size"] for point in models[0]["points"]]
    columns = [("size", *sizes, "achieved", "first step at a size")]
    for model in models:
        points = model["points"]
        columns.append(
            (
                f"{model['model']}, {model['mode']}",
                *(f"{1000 * statistics.median(p['seconds']):.0f}" for p in points),
                f"{model['achieved']:.2f}",
                f"{1000 * statistics.median(p['first'] for p in points):,.0f}",
            )
        )
    # As rows they would be wider than a page.
    return [*zip(*columns, strict=True)]
