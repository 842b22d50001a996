"""``upsize forecast``: what a schedule will save in your own training."""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from upsize._extras import require
from upsize.cli._errors import friendly
from upsize.cli._finish import TestSize
from upsize.cli._named import load_schedule
from upsize.cli._paths import check_picture, save_picture
from upsize.cli._presets import find, is_preset, preset_names
from upsize.cli._progress import timing
from upsize.cli._values import read_size
from upsize.cli._workload import workload_of
from upsize.schedule import Grow, Plan, Schedule

if TYPE_CHECKING:
    from upsize.forecast import Forecast, Prediction
    from upsize.forecast._measured import LoadingName

__all__ = ["forecast"]

_EPOCHS = 20
_DEMO_SIZE = 128
_DEMO = ("PIL", "torchvision", "elpv_dataset")


def _check(budget: float, seconds: float, plot: Path | None) -> None:
    """Refuse what would fail after the measurement, before it."""
    if not 0 < budget < 1:
        raise ValueError(
            f"--budget must be a share of the time between 0 and 1, as 0.8, not {budget}"
        )
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"--seconds must be more than 0, not {seconds}")
    if plot is not None:
        check_picture(plot, "--plot")


def _schedule(text: str) -> Callable[[int | tuple[int, int]], Schedule]:
    """Check the schedule, and return what makes it from the full size."""
    if is_preset(text):
        return lambda size: find(text).build(size, {})
    schedule = load_schedule(text)
    return lambda _: schedule


def _workload(target: str | None, size: int) -> dict[str, Any]:
    """Return the arguments of ``measure``: the user's, or those of the demo at a size."""
    if target is None:
        for name in _DEMO:
            require(name, "demo", "The demo's photographs")
        from upsize.demo._forecast import workload

        return dict(workload(size))
    from upsize.forecast import measure

    found = workload_of(target)
    if unknown := sorted(set(found) - set(signature(measure).parameters)):
        raise ValueError(
            f"{target} returns {', '.join(unknown)}, which upsize.forecast.measure "
            "does not take"
        )
    return found


def _length(loader: Any) -> int:
    """Return the batches of an epoch."""
    try:
        return len(loader)
    except TypeError as error:
        raise ValueError(
            "the loader has no length: give --steps-per-epoch, the batches of an epoch"
        ) from error


def _show(name: str, prediction: Prediction, console: Console, *, title: str) -> None:
    console.print(f"\n{name}, {title}", style="bold", highlight=False)
    console.print(prediction.summary(), highlight=False, markup=False, soft_wrap=True)


def _print(
    found: Forecast,
    name: str,
    plan: Plan,
    test_size: int | tuple[int, int] | None,
    console: Console,
) -> None:
    console.print(str(found), highlight=False, markup=False, soft_wrap=True)
    full = found.predict(plan, test_size=test_size)
    if found.sized is not None:  # one hint is enough
        full = full.model_copy(update={"hint": None})
    _show(name, full, console, title="with the loader unchanged")
    if found.sized is not None:
        sized = found.predict(plan, loading="sized", test_size=test_size)
        _show(name, sized, console, title="with a sized loader")


def _suggest(
    found: Forecast, budget: float, length: dict[str, Any], console: Console
) -> None:
    loading: LoadingName = "full" if found.sized is None else "sized"
    how = "with the loader unchanged" if loading == "full" else "with a sized loader"
    title = f"For {budget:.0%} of the time, {how}"
    try:
        ramp = found.suggest(budget, **length, loading=loading)
    except ValueError as error:
        text = f"{error}"
        console.print(f"\n{title}", style="bold", highlight=False)
        console.print(text[0].upper() + text[1:], highlight=False, soft_wrap=True)
        return
    console.print(f"\n{title}", style="bold", highlight=False)
    console.print(str(ramp), highlight=False, markup=False, soft_wrap=True)
    prediction = found.predict(ramp, **length, loading=loading)
    line = prediction.summary().splitlines()[0]
    console.print(line, highlight=False, soft_wrap=True)


def _draw(found: Forecast, file: Path, title: str) -> None:
    from upsize.plot import plot_costs

    loadings = {
        "full-size loader": found.full,
        "sized loader": found.sized,
        "full-size loader, larger batches": found.grown,
        "sized loader, larger batches": found.grown_sized,
    }
    measured = {
        name: [(max(cost.size), 1000 * cost.total) for cost in costs.sizes]
        for name, costs in loadings.items()
        if costs is not None
    }
    ax = plot_costs(measured)
    ax.set_title(title)
    save_picture(ax, file, "--plot")


def forecast(
    target: Annotated[
        str | None,
        typer.Argument(
            help="FILE.py:FUNCTION or MODULE:FUNCTION, which returns (model, loader, "
            "forward), or a dict of the arguments of upsize.forecast.measure."
        ),
    ] = None,
    schedule: Annotated[
        str,
        typer.Option(
            help="A preset, see upsize plan --list, a .json, .yaml or .toml file, or "
            "MODULE:NAME of a schedule of your own.",
            autocompletion=preset_names,
        ),
    ] = "fastxtend",
    epochs: Annotated[int, typer.Option(min=1, help="Length in epochs.")] = _EPOCHS,
    steps_per_epoch: Annotated[
        int | None,
        typer.Option(min=1, help="Batches of an epoch.", show_default="the loader's"),
    ] = None,
    budget: Annotated[
        float, typer.Option(help="Suggest a schedule for this share of the time.")
    ] = 0.8,
    test_size: TestSize = None,
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 60.0,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most images in a batch that grows while images are small.",
            show_default="as many pixels as at full size",
        ),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Measure the demo's model and photographs."),
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Full size of --demo in pixels; yours is that of your loader.",
            show_default=f"{_DEMO_SIZE}",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw the costs into a .png, .svg or .pdf file."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the forecast as JSON, and nothing else."),
    ] = False,
) -> None:
    """Measure your own model and loader for a minute, and predict what a schedule saves.

    The steps that it trains leave no trace. "sized" is a loader whose workers make small
    images, if yours can.

    Examples: upsize forecast train.py:make --epochs 90; upsize forecast --demo
    """
    console = Console()
    with friendly():
        require("torch", "torch", "Forecasts")
        from upsize.forecast import measure
        from upsize.forecast._outcome import outcome
        from upsize.forecast._setup import first_size
        from upsize.resize import Resizer

        if (target is None) != demo:
            raise ValueError("give either TARGET or --demo")
        if size is not None and not demo:
            raise ValueError(
                f"--size {size} is the full size of --demo: leave it out, the loader of "
                f"{target} has its own"
            )
        _check(budget, seconds, plot)
        test = read_size("--test-size", test_size)
        make = _schedule(schedule)
        found = _workload(target, size or _DEMO_SIZE)
        loader = found["loader"]
        full = found.get("final_size")
        if full is None:
            full = first_size(loader, found.get("resizer") or Resizer())
        if steps_per_epoch is None:
            steps_per_epoch = _length(loader)
        length: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        made = make(full)
        plan = made.plan(**length, final_size=made.full_size() or full)
        found = {"seconds": seconds, "plan": plan, **found}
        if limit is not None:
            found["grow"] = Grow(limit)
        with timing(console, "training at a few sizes", found["seconds"]):
            result = measure(**found)
        if as_json:
            typer.echo(result.model_dump_json(indent=2))
        else:
            _print(result, schedule, plan, test, console)
            _suggest(result, budget, length, console)
        if plot is not None:
            loading: LoadingName = "full" if result.sized is None else "sized"
            saving = result.predict(plan, loading=loading).saving
            _draw(result, plot, f"{schedule} {outcome(saving, 0)} of the time")
