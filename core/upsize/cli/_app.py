"""The commands of ``upsize``, put together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from upsize.cli._copies import copies
from upsize.cli._demo_command import demo
from upsize.cli._forecast import forecast
from upsize.cli._loading import loading
from upsize.cli._plan import plan

__all__ = ["app"]


def _plain_flags(params: list[Any]) -> list[Any]:
    """Show no type beside a flag, which takes no value: typer shows ``<bool>``."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _plain_flags(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _plain_flags(super().get_params(ctx))


app = typer.Typer(
    name="upsize",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=_Command)(plan)
app.command(cls=_Command)(forecast)
app.command(cls=_Command)(demo)
app.command(cls=_Command)(loading)
app.command(cls=_Command)(copies)


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
            help="Print the version.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Train vision models on small images first, and finish at full size."""
