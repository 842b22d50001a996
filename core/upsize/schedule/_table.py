"""The stages of a plan as a text table."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from upsize.schedule._samples import PlanSamples

__all__ = ["align", "stage_rows", "stage_table"]


def stage_rows(plan: PlanSamples) -> list[tuple[str, ...]]:
    """Return a header, and a row for each stage.

    If the plan knows its samples, the rows have the batch, and shares count samples.
    """
    batches = plan.batch_sizes
    unit = "steps" if batches is None else "samples"
    batch = () if batches is None else ("batch",)
    rows: list[tuple[str, ...]] = [
        (
            "from step", "to step", "from epoch", "size",
            *batch, f"share of {unit}", "share of pixels",
        )
    ]  # fmt: skip
    weighed = plan.weighed_stages
    total = weighed[-1].stop
    trained = sum(stage.pixels for stage in weighed)
    for number, ((start, stop, size), of) in enumerate(
        zip(plan.stages, weighed, strict=True)
    ):
        epoch = plan.epoch_at(start)
        rows.append(
            (
                f"{start}",
                f"{stop}",
                "-" if epoch is None else f"{float(epoch):.4g}",
                f"{size}",
                *(() if batches is None else (f"{batches[number]}",)),
                f"{100 * (of.stop - of.start) / total:.1f} %",
                f"{100 * float(of.pixels / trained):.1f} %",
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


def stage_table(plan: PlanSamples) -> str:
    """Return a line for each stage, and one with the share of pixels of all stages."""
    rows = stage_rows(plan)
    numbers = [n for n, name in enumerate(rows[0]) if name != "size"]
    return (
        f"{align(rows, numbers)}\n"
        f"{100 * plan.pixel_share:.1f} % of the pixels of full-size training"
    )
