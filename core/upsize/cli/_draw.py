"""A plan in the terminal: a staircase of block characters, a table, and its saving."""

from __future__ import annotations

from bisect import bisect_right

from rich.console import Console
from rich.table import Table

from upsize.schedule import Plan
from upsize.schedule._table import stage_rows

__all__ = ["show_plan", "staircase"]

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_SHADE = "░"
_MOST_ROWS = 12
_WIDEST = 72


def staircase(plan: Plan, width: int, height: int, *, ascii_only: bool = False) -> str:
    """Draw the size over time, from zero pixels up.

    Where sizes are drawn at random, the column is solid up to the smallest of them and
    shaded up to the largest.

    Args:
        plan: The plan.
        width: Columns of the drawing, at least 2, without the labels on its left. A
            column shows the size of one step, the first that of the first step and the
            last that of the last.
        height: Rows of the drawing, at least 1; a column reaches the top at full size.
        ascii_only: Draw with ``#``, in whole rows, and shade with ``:``, for terminals
            without Unicode.

    Returns:
        ``height`` lines and two for the axis, with labels for the first and the full
        size.

    Raises:
        ValueError: When the drawing is too small.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, steps_per_epoch=147
        ... )
        >>> print(staircase(plan, width=24, height=4))
        224 |                  ██████
            |            ████████████
        112 |████████████████████████
            |████████████████████████
            +------------------------
             0               epoch 20
    """
    if width < 2 or height < 1:
        raise ValueError(
            f"width and height must be at least 2 and 1, not {width} and {height}"
        )
    full = max(plan.final_size)
    stages = plan.weighed_stages  # in samples where they are known: batches may grow
    last = stages[-1].stop - 1
    places = [column * last // (width - 1) for column in range(width)]
    starts = [stage.start for stage in stages]
    sides = [
        [max(size) for size in stages[bisect_right(starts, place) - 1].sizes]
        for place in places
    ]
    # Heights in eighths of a row, rounded up: no size vanishes.
    levels = [-(-min(each) * 8 * height // full) for each in sides]
    tops = [-(-max(each) * 8 * height // full) for each in sides]
    if ascii_only:
        levels = [-(-level // 8) * 8 for level in levels]
    blocks, shade = ("        #", ":") if ascii_only else (_EIGHTHS, _SHADE)
    first = min(sides[0])
    labels = {height - 1: f"{full}"}
    labels.setdefault((levels[0] - 1) // 8, f"{first}")
    margin = len(f"{full}")
    lines = []
    for row in reversed(range(height)):
        cells = "".join(
            shade if level <= 8 * row < top else blocks[min(8, max(0, level - 8 * row))]
            for level, top in zip(levels, tops, strict=True)
        )
        lines.append(f"{labels.get(row, ''):>{margin}} |{cells}".rstrip())
    end = f"step {plan.total_steps}"
    if plan.epochs is not None:
        end = f"epoch {plan.epochs:.4g}"
    lines.append(f"{'':>{margin}} +{'-' * width}")
    lines.append(f"{'':>{margin}}  0{end:>{width - 1}}")
    return "\n".join(lines)


def _stage_table(plan: Plan) -> Table:
    """Return a table of the stages; of many only the first and the last ones.

    Args:
        plan: The plan.
    """
    table = Table(title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # Where a stage stops is where the next one starts.
    (start, _, *header), *found = stage_rows(plan)
    the = "" if "batch" in header else "the "  # 60 columns hold no more
    for name in (start, *header):
        table.add_column(
            name.replace("share of ", f"of {the}"),
            justify="left" if name == "size" else "right",
        )
    rows = [(start, *rest) for start, _, *rest in found]
    if len(rows) > _MOST_ROWS:
        head, tail = _MOST_ROWS // 2, len(rows) - (_MOST_ROWS // 2 - 1)
        hidden = tail - head
        between = f"{rows[head][2]} to {rows[tail - 1][2]}"
        rows = [
            *rows[:head],
            ("...", "...", f"{hidden} more, {between}", *["..."] * (len(rows[0]) - 3)),
            *rows[tail:],
        ]
    for row in rows:
        table.add_row(*row)
    return table


def show_plan(
    name: str, plan: Plan, batches: str | None, hint: str | None, console: Console
) -> None:
    """Print the plan: its length, summary, stages and staircase, and its saving."""
    length = f"{plan.total_steps} steps"
    if plan.samples_per_epoch is not None:
        length = f"{plan.epochs:g} epochs of {plan.samples_per_epoch} images"
    elif plan.steps_per_epoch is not None:
        length = f"{plan.epochs:g} epochs of {plan.steps_per_epoch} steps"
    console.print(f"{name}: {length}, up to {plan.final_size}", style="bold")
    console.print(plan.summary(), highlight=False, markup=False, soft_wrap=True)
    console.print()
    console.print(_stage_table(plan))
    console.print()
    width = max(2, min(_WIDEST, console.width - len(f"{plan.final_size}") - 3))
    ascii_only = console.options.ascii_only
    console.print(
        staircase(plan, width, 8, ascii_only=ascii_only), highlight=False, markup=False
    )
    console.print()
    share = 100 * plan.pixel_share
    console.print(
        f"{share:.1f} % of the pixels of full-size training: up to "
        f"{100 - share:.1f} % of the time saved, if time follows pixels.",
        style="bold",
        soft_wrap=True,
    )
    if batches is not None:
        console.print(batches, style="bold", soft_wrap=True)
    if hint is not None:
        console.print(hint, highlight=False, soft_wrap=True)
