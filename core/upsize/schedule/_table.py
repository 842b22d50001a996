"""The stages of a plan as a text table."""

from __future__ import annotations

from upsize.schedule._base import Stage
from upsize.schedule._size import Size

__all__ = ["stage_table"]

_HEADER = (
    "from step",
    "to step",
    "from epoch",
    "size",
    "share of steps",
    "share of pixels",
)


def stage_table(
    stages: tuple[Stage, ...],
    steps_per_epoch: int | None,
    final: Size,
    pixel_share: float,
) -> str:
    """Return a line for each stage, and one with the share of pixels of them all."""
    total = stages[-1].stop
    full = total * final.height * final.width
    rows: list[tuple[str, ...]] = [_HEADER]
    for start, stop, size in stages:
        epoch = "-" if steps_per_epoch is None else f"{start / steps_per_epoch:.4g}"
        pixels = (stop - start) * size.height * size.width / full / pixel_share
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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if name == "size" else cell.rjust(width)
            for name, cell, width in zip(_HEADER, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    lines.append(f"{100 * pixel_share:.1f} % of the pixels of full-size training")
    return "\n".join(lines)
