"""The stages of a plan as a text table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upsize.schedule._plan import Plan

__all__ = ["stage_rows", "stage_table"]

_HEADER = (
    "from step",
    "to step",
    "from epoch",
    "size",
    "share of steps",
    "share of pixels",
)


def stage_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return a row for each stage, with a cell for each column of the header."""
    total, final = plan.total_steps, plan.final_size
    trained = plan.pixel_share * total * final.height * final.width
    rows: list[tuple[str, ...]] = []
    for stage in plan.stages:
        start, stop, size = stage
        epoch = "-"
        if plan.steps_per_epoch is not None:
            epoch = f"{start / plan.steps_per_epoch:.4g}"
        pixels = float(stage.pixels) / trained
        rows.append(
            (
                f"{start}",
                f"{stop}",
                epoch,
                f"{size}",
                f"{100 * (stop - start) / total:.1f} %",
                f"{100 * pixels:.1f} %",
            )
        )
    return rows


def stage_table(plan: Plan) -> str:
    """Return a line for each stage, and one with the share of pixels of them all."""
    rows = [_HEADER, *stage_rows(plan)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if name == "size" else cell.rjust(width)
            for name, cell, width in zip(_HEADER, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    share = 100 * plan.pixel_share
    lines.append(f"{share:.1f} % of the pixels of full-size training")
    return "\n".join(lines)
