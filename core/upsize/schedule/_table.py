"""The stages of a plan as a text table."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from upsize.schedule._stage import Stage

__all__ = ["align", "stage_rows", "stage_table"]

_HEADER = (
    "from step",
    "to step",
    "from epoch",
    "size",
    "share of steps",
    "share of pixels",
)


def stage_rows(
    stages: Sequence[Stage], steps_per_epoch: int | None
) -> list[tuple[str, ...]]:
    """Return a row for each stage, with a cell for each column of the header."""
    total = stages[-1].stop
    trained = sum(stage.pixels for stage in stages)
    rows: list[tuple[str, ...]] = []
    for stage in stages:
        start, stop, size = stage
        epoch = "-" if steps_per_epoch is None else f"{start / steps_per_epoch:.4g}"
        rows.append(
            (
                f"{start}",
                f"{stop}",
                epoch,
                f"{size}",
                f"{100 * (stop - start) / total:.1f} %",
                f"{100 * float(stage.pixels / trained):.1f} %",
            )
        )
    return rows


def align(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return rows as lines with aligned columns.

    Args:
        rows: Rows of cells, all with the same number of cells.
        right: Indices of the right-aligned columns.

    Example:
        >>> print(align([("size", "steps"), ("112x112", "50")], right=[1]))
        size     steps
        112x112     50
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def stage_table(rows: Sequence[tuple[str, ...]], pixel_share: float) -> str:
    """Return a line for each stage, and one with the share of pixels of all stages."""
    numbers = [n for n, name in enumerate(_HEADER) if name != "size"]
    return (
        f"{align([_HEADER, *rows], numbers)}\n"
        f"{100 * pixel_share:.1f} % of the pixels of full-size training"
    )
