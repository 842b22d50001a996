"""``upsize loading``: how fast your own images load at each size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from upsize._extras import require
from upsize.cli._errors import friendly
from upsize.cli._paths import check_folder
from upsize.cli._progress import measuring
from upsize.schedule import Plan, Ramp

if TYPE_CHECKING:
    from upsize.loading._measure import LoadingTimes

__all__ = ["loading"]

_STEPS = 10_000
_MOST_SIZE = 8192  # a batch of crops fits into memory


def _table(times: LoadingTimes, plan: Plan) -> Table:
    """Return a row for each way of loading from memory."""
    table = _new_table("images/s, warm", plan)
    table.add_column("saved", justify="right")
    table.add_column("achieved", justify="right")
    maximum = 1 - plan.pixel_share
    for each in times.ways:
        saved = 1 - each.share
        table.add_row(
            each.name,
            *(f"{1 / each.seconds[size]:.0f}" for size in plan.sizes),
            f"{saved:.1%}",
            f"{saved / maximum:.0%}",
        )
    return table


def _cold_table(times: LoadingTimes, plan: Plan) -> Table:
    """Return a row for each way of loading from the disk, and how much of that it takes."""
    table = _new_table("images/s, cold", plan)
    table.add_column("disk", justify="right")
    for each in times.ways:
        rates = (
            f"{1 / each.cold[size]:.0f}" if each.cold else "-" for size in plan.sizes
        )
        table.add_row(each.name, *rates, decimal(each.disk))
    return table


def _new_table(head: str, plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(head)
    for size in plan.sizes:
        table.add_column(str(size), justify="right")
    return table


def _to_json(times: LoadingTimes, plan: Plan) -> str:
    """Return what the tables show, by its columns."""
    rows = [
        {
            "name": each.name,
            "seconds": {f"{size}": each.seconds[size] for size in plan.sizes},
            "images_per_second": {
                f"{size}": 1 / each.seconds[size] for size in plan.sizes
            },
            "cold_images_per_second": {
                f"{size}": 1 / seconds for size, seconds in each.cold.items()
            },
            "disk_bytes": each.disk,
            "saved": 1 - each.share,
        }
        for each in times.ways
    ]
    return json.dumps(
        {
            "theoretical_maximum": 1 - plan.pixel_share,
            "not_cold": times.not_cold,
            "loading": rows,
        },
        indent=2,
    )


def loading(
    folder: Annotated[Path, typer.Argument(help="The images, at any depth.")],
    size: Annotated[
        int, typer.Option(min=4, max=_MOST_SIZE, help="Full size in pixels.")
    ] = 224,
    copies: Annotated[
        Path | None,
        typer.Option(help="Folder of small copies, to measure them, too."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Most images to load.")] = 256,
    turns: Annotated[
        int, typer.Option(min=1, help="Number of rounds; medians are shown.")
    ] = 3,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the times as JSON, and nothing else."),
    ] = False,
) -> None:
    """Measure how fast your own images load, and how much time small sizes save.

    One process on one core loads random crops at half, three quarters and all of the
    full size, warm (from memory) and cold (from the disk).
    "saved" is the loading time that a run saves, warm, with half of its steps at the
    first size and a quarter at each other size. If the loader is slower than the model,
    training saves as much. "disk" is the space of all images, and of their copies.

    Examples: upsize loading data/train; upsize loading data/train --size 160
    """
    console = Console(stderr=as_json)
    with friendly():
        for name in ("torch", "torchvision", "PIL"):
            require(name, "jpeg", "Measurements of loading")
        check_folder(folder, "FOLDER")
        if copies is not None:
            check_folder(copies, "--copies")
        import torch

        from upsize.loading._measure import measure_loading

        ramp = Ramp(final_size=size, increase_by=max(1, size // 4))
        plan = ramp.plan(total_steps=_STEPS)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in a worker of a DataLoader
        try:
            with measuring(console) as track:
                times = measure_loading(
                    folder, plan, images=images, turns=turns, copies=copies, track=track
                )
        finally:
            torch.set_num_threads(threads)
        if as_json:
            typer.echo(_to_json(times, plan))
            return
        console.print(_table(times, plan))
        console.print()
        console.print(_cold_table(times, plan))
        console.print()
        if times.not_cold:
            console.print(f"Not measured cold: {times.not_cold}.", highlight=False)
        console.print(
            f"Theoretical maximum: {1 - plan.pixel_share:.1%}.", highlight=False
        )
