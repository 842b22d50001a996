"""``upsize loading``: what loading your own images costs at each size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from upsize._extras import require
from upsize.cli._errors import friendly
from upsize.cli._paths import check_folder
from upsize.cli._progress import measuring
from upsize.schedule import Plan, Ramp

if TYPE_CHECKING:
    from upsize.loading._measure import LoadingTime

__all__ = ["loading"]

_STEPS = 10_000
_MOST_SIZE = 8192  # a batch of crops fits into memory


def _table(times: list[LoadingTime], plan: Plan) -> Table:
    """Return a row for each way of loading."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("ms for an image")
    for size in plan.sizes:
        table.add_column(str(size), justify="right")
    table.add_column("saved", justify="right")
    table.add_column("achieved", justify="right")
    maximum = 1 - plan.pixel_share
    for each in times:
        saved = 1 - each.share
        table.add_row(
            each.name,
            *(f"{1000 * each.seconds[size]:.2f}" for size in plan.sizes),
            f"{saved:.1%}",
            f"{saved / maximum:.0%}",
        )
    return table


def _to_json(times: list[LoadingTime], plan: Plan) -> str:
    """Return what the table shows, by its columns."""
    rows = [
        {
            "name": each.name,
            "seconds": {f"{size}": each.seconds[size] for size in plan.sizes},
            "saved": 1 - each.share,
        }
        for each in times
    ]
    return json.dumps(
        {"theoretical_maximum": 1 - plan.pixel_share, "loading": rows}, indent=2
    )


def loading(
    folder: Annotated[Path, typer.Argument(help="The images, at any depth.")],
    size: Annotated[
        int, typer.Option(min=4, max=_MOST_SIZE, help="Full size in pixels.")
    ] = 224,
    copies: Annotated[
        Path | None,
        typer.Option(help="Folder of their small copies, to measure these as well."),
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="At most this many of the images.")
    ] = 256,
    turns: Annotated[
        int, typer.Option(min=1, help="How often; medians are shown.")
    ] = 3,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the times as JSON, and nothing else."),
    ] = False,
) -> None:
    """Measure what loading your own images costs, and how much of it small sizes save.

    One process loads random crops at half, three quarters and all of the full size.
    "saved" is the loading time that a run saves if it trains half of its steps at the
    first size and a quarter at each other one: what you save if the loader is slower
    than the model.

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
        console.print(
            f"Theoretical maximum: {1 - plan.pixel_share:.1%}.", highlight=False
        )
