"""The commands of ``upsize``, put together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from upsize.cli._copies import copies
from upsize.cli._demo_command import demo
from upsize.cli._forecast import forecast
from upsize.cli._loading import loading
from upsize.cli._plan import plan

__all__ = ["app"]

app = typer.Typer(
    name="upsize",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(plan)
app.command()(forecast)
app.command()(demo)
app.command()(loading)
app.command()(copies)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"upsize {version('upsize')}")
        raise typer.Exit


@app.callback()
def _upsize(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            help="Print the version.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Train vision models on small images first, and finish at full size."""
