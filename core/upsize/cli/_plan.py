"""``upsize plan``: what a schedule does, before any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from upsize.cli._batches import batch_options, describe_batches
from upsize.cli._draw import show_plan
from upsize.cli._errors import friendly
from upsize.cli._finish import TestSize, describe_finish
from upsize.cli._named import is_named, load_schedule
from upsize.cli._paths import check_picture, save_picture
from upsize.cli._presets import (
    find,
    is_preset,
    preset_names,
    preset_table,
    presets_as_json,
)
from upsize.cli._values import parse, read_size
from upsize.schedule import IncreaseMode, Plan, Schedule
from upsize.schedule._shown import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plan"]

_EPOCHS = 20
_STEPS_PER_EPOCH = 100
_SIZE = 224
_RAMP = "Options of the ramp"
_BATCHES = "Options of the batch"


def _from_file(file: str, preset: str | None, ramp: dict[str, Any]) -> Schedule:
    """Read the schedule; a preset or an option of the ramp beside it is refused."""
    others = [shown(preset)] if preset is not None else []
    others += ["--" + name.replace("_", "-") for name in ramp]
    if others:
        raise ValueError(
            f"--schedule {file} and {others[0]} both name a schedule: leave one of "
            "them out"
        )
    return load_schedule(file)


def _from_preset(
    name: str, size: int | tuple[int, int] | None, ramp: dict[str, Any]
) -> Schedule:
    preset = find(name)
    if ramp and not preset.is_ramp:
        option = "--" + next(iter(ramp)).replace("_", "-")
        raise ValueError(
            f"{option} is an option of the ramp, and {name} is not a ramp: leave one of "
            "them out"
        )
    return preset.build(size, ramp)


def _chosen(
    preset: str | None,
    schedule: str | None,
    size: int | tuple[int, int] | None,
    ramp: dict[str, Any],
) -> tuple[str, Schedule, int | None]:
    """Return the schedule that the options name, and its published length in epochs."""
    if preset is not None and schedule is None and is_named(preset):
        preset, schedule = None, preset
    if preset is None and schedule is not None and is_preset(schedule):
        preset, schedule = schedule, None
    if schedule is not None:
        return schedule, _from_file(schedule, preset, ramp), None
    name = preset or "fastxtend"
    return name, _from_preset(name, size, ramp), find(name).epochs


def _draw(name: str, plan: Plan) -> Figure:
    """Draw the sizes, and the batches of a plan that knows them."""
    from upsize.plot import plot_batch_sizes, plot_sizes
    from upsize.plot._style import new_figure

    with_batches = plan.batch_sizes is not None
    figure = new_figure(6.4, 6.4 if with_batches else 4.0)
    axes = figure.subplots(1 + with_batches, squeeze=False)[:, 0]
    plot_sizes({name: plan}, axes[0])
    axes[0].set_title(f"{name}: up to {1 - plan.pixel_share:.0%} of the time saved")
    if with_batches:
        plot_batch_sizes({name: plan}, axes[1])
    return figure


def plan(
    preset: Annotated[
        str | None,
        typer.Argument(
            help="Name of a preset, see --list, or MODULE:NAME of a schedule of your own.",
            show_default="fastxtend",
            autocompletion=preset_names,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Length in epochs.", show_default="the published length"),
    ] = None,
    steps_per_epoch: Annotated[
        int | None, typer.Option(help="Steps in an epoch.", show_default="100")
    ] = None,
    total_steps: Annotated[
        int | None, typer.Option(help="Length in steps, instead of --epochs.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Full size in pixels, as 224 or 224x320 (height x width).",
            show_default="224, or the preset's",
        ),
    ] = None,
    test_size: TestSize = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="A .json, .yaml or .toml file, a preset, or MODULE:NAME of your own.",
            autocompletion=preset_names,
        ),
    ] = None,
    initial_size: Annotated[
        str | None,
        typer.Option(
            help="First size: a share (0.5), or pixels (112 or 112x160).",
            rich_help_panel=_RAMP,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="First resize: a share (0.5), an epoch (10), or 10ep, 500st, 50%.",
            rich_help_panel=_RAMP,
        ),
    ] = None,
    finish: Annotated[
        str | None,
        typer.Option(help="Last resize, in the same units.", rich_help_panel=_RAMP),
    ] = None,
    increase_by: Annotated[
        int | None,
        typer.Option(help="Pixels per resize.", rich_help_panel=_RAMP),
    ] = None,
    increase_mode: Annotated[
        str | None,
        typer.Option(
            help="Resize at any step (batch), or only before an epoch (epoch).",
            autocompletion=lambda: [mode.value for mode in IncreaseMode],
            rich_help_panel=_RAMP,
        ),
    ] = None,
    multiple_of: Annotated[
        str | None,
        typer.Option(
            help="Every size is a multiple of this, as 32 or 32x16.",
            rich_help_panel=_RAMP,
        ),
    ] = None,
    max_sizes: Annotated[
        int | None,
        typer.Option(help="At most this many sizes.", rich_help_panel=_RAMP),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Images in an epoch, of one process, instead of --steps-per-epoch.",
            rich_help_panel=_BATCHES,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Images in a batch at full size.", rich_help_panel=_BATCHES),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            help="Let batches of small images grow up to this: 256, or 112=256,160=128.",
            rich_help_panel=_BATCHES,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw the plan into a .png, .svg or .pdf file."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the plan as JSON, and nothing else."),
    ] = False,
    list_presets: Annotated[
        bool,
        typer.Option("--list", help="Print the presets, and nothing else."),
    ] = False,
) -> None:
    """Show the stages of a schedule, and what they can save.

    Examples: upsize plan --epochs 20 --steps-per-epoch 147 --increase-by 16;
    upsize plan ffcv-16; upsize plan --schedule my.yaml --total-steps 10000
    """
    console = Console()
    if list_presets:
        if as_json:
            typer.echo(presets_as_json())
        else:
            console.print(preset_table())
        return
    ramp = {
        "initial_size": initial_size and parse(initial_size),
        "start": start and parse(start),
        "finish": finish and parse(finish),
        "multiple_of": multiple_of and parse(multiple_of),
        "increase_by": increase_by,
        "increase_mode": increase_mode,
        "max_sizes": max_sizes,
    }
    given = {name: value for name, value in ramp.items() if value is not None}
    with friendly():
        if plot is not None:
            check_picture(plot, "--plot")
        final, test = read_size("--size", size), read_size("--test-size", test_size)
        name, found, published = _chosen(preset, schedule, final, given)
        if total_steps is None:
            epochs = epochs if epochs is not None else published or _EPOCHS
            if steps_per_epoch is None and samples is None:
                steps_per_epoch = _STEPS_PER_EPOCH
        made = found.plan(
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            total_steps=total_steps,
            final_size=found.full_size(final) or _SIZE,
            **batch_options(samples, batch, limit),
        )
        if as_json:
            typer.echo(made.model_dump_json(indent=2))
        else:
            hint = describe_finish(made, test)
            show_plan(name, made, describe_batches(made, limit), hint, console)
        if plot is not None:
            save_picture(_draw(name, made), plot, "--plot")
            if not as_json:
                console.print(f"Picture: {plot}", highlight=False, soft_wrap=True)
