"""``upsize forecast``: what a schedule will save of your own training."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from upsize._extras import missing_extra
from upsize.cli._errors import friendly
from upsize.cli._presets import PRESETS, find
from upsize.schedule import Linear, MultiScale, Phases, Ramp, load

if TYPE_CHECKING:
    from upsize.forecast import Forecast, Prediction
    from upsize.forecast._forecast import Loading

__all__ = ["forecast"]

_EPOCHS = 20
_DEMO = ("PIL", "torchvision", "elpv_dataset")
_TUPLE = ("model", "loader", "forward")


def _workload(target: str) -> dict[str, Any]:
    """Call the user's function, and return the arguments of ``measure`` by name."""
    where, _, name = target.rpartition(":")
    if not where or not name:
        raise ValueError(
            f"TARGET must be FILE.py:FUNCTION or MODULE:FUNCTION, not {target!r}"
        )
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise FileNotFoundError(f"{where}: no such file")
        # What stands beside the file is imported as when it is run.
        sys.path.insert(0, str(Path(where).resolve().parent))
        names: Mapping[str, Any] = runpy.run_path(where)
    else:
        sys.path.insert(0, str(Path.cwd()))
        names = vars(importlib.import_module(where))
    if not callable(function := names.get(name)):
        raise ValueError(  # noqa: TRY004 - of what the user named
            f"{where} has no function {name!r}"
        )
    made = function()
    if isinstance(made, tuple) and len(made) == len(_TUPLE):
        return dict(zip(_TUPLE, made, strict=True))
    if isinstance(made, Mapping) and {"model", "loader"} <= set(made):
        return dict(made)
    raise ValueError(
        f"{target} must return (model, loader, forward), or a dict of the arguments of "
        f"upsize.forecast.measure, not a {type(made).__name__}"
    )


def _schedule(
    text: str | None, size: int | tuple[int, int]
) -> Ramp | Linear | Phases | MultiScale:
    if text is None or text in PRESETS:
        return find(text or "fastxtend").build(size, {})
    return load(text)


def _show(name: str, prediction: Prediction, console: Console, *, title: str) -> None:
    console.print(f"\n{name}, {title}", style="bold", highlight=False)
    console.print(prediction.summary(), highlight=False, markup=False, soft_wrap=True)


def _suggest(
    found: Forecast, budget: float, length: dict[str, Any], console: Console
) -> None:
    loading: Loading = "as it is" if found.sized is None else "sized"
    title = f"For {budget:.0%} of the time, with the loader {loading}"
    try:
        ramp = found.suggest(budget, **length, loading=loading)
    except ValueError as error:
        console.print(f"\n{title}: none. {error}", highlight=False, soft_wrap=True)
        return
    console.print(f"\n{title}", style="bold", highlight=False)
    console.print(str(ramp), highlight=False, markup=False, soft_wrap=True)
    prediction = found.predict(ramp, **length, loading=loading)
    line = prediction.summary().splitlines()[0]
    console.print(line, highlight=False, soft_wrap=True)


def _draw(found: Forecast, file: Path) -> None:
    from upsize.plot import plot_costs, save

    ways = {"as it is": found.as_it_is, "sized": found.sized}
    measured = {
        name: [(max(cost.size), 1000 * cost.total) for cost in costs.sizes]
        for name, costs in ways.items()
        if costs is not None
    }
    save(plot_costs(measured), file)


def forecast(
    target: Annotated[
        str | None,
        typer.Argument(
            help="FILE.py:FUNCTION or MODULE:FUNCTION, which returns (model, loader, "
            "forward), or a dict of the arguments of upsize.forecast.measure."
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="A preset, see upsize plan --list, or a .json, .yaml or .toml file.",
            show_default="fastxtend",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Length in epochs.")] = _EPOCHS,
    steps_per_epoch: Annotated[
        int | None,
        typer.Option(min=1, help="Batches of an epoch.", show_default="the loader's"),
    ] = None,
    budget: Annotated[
        float, typer.Option(help="Suggest a schedule for this share of the time.")
    ] = 0.8,
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 60.0,
    demo: Annotated[
        bool, typer.Option("--demo", help="Measure the demo's model and photographs.")
    ] = False,
    size: Annotated[
        int, typer.Option(min=32, help="Full size of the demo in pixels.")
    ] = 128,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the costs into a .png, .svg or .pdf file, too."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the forecast as JSON, and nothing else."),
    ] = False,
) -> None:
    """Measure your own model and loader for a minute, and say what a schedule will save.

    Nothing is left of the steps that it trains. "sized" is the loader whose workers make
    small images, where yours can be one.

    Examples: upsize forecast train.py:make --epochs 90; upsize forecast --demo
    """
    console = Console()
    with friendly():
        if find_spec("torch") is None:
            raise missing_extra("torch", "Forecasts")
        from upsize.forecast import measure
        from upsize.resize import Resizer

        if plot is not None:
            from upsize.plot import check_picture

            check_picture(plot)  # before the minute, not after it
        if (target is None) != demo:
            raise ValueError("give TARGET or --demo: one of the two")
        if target is not None:
            found = _workload(target)
        else:
            if any(find_spec(name) is None for name in _DEMO):
                raise missing_extra("demo", "The demo's photographs")
            from upsize.demo._forecast import workload

            found = workload(size)
        full = found.get("final_size")
        if full is None:
            resizer = found.get("resizer") or Resizer()
            full = resizer.image_size(next(iter(found["loader"])))
        if steps_per_epoch is None:
            steps_per_epoch = len(found["loader"])
        length: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        made = _schedule(schedule, full)
        plan = made.plan(**length, final_size=None if made.target() else full)
        found = {"seconds": seconds, "plan": plan, **found}
        if unknown := sorted(set(found) - set(signature(measure).parameters)):
            raise ValueError(
                f"{target} returns {', '.join(unknown)}, which upsize.forecast.measure "
                "does not take"
            )
        with console.status(f"training at a few sizes, {found['seconds']:.0f} s"):
            result = measure(**found)
        if plot is not None:
            _draw(result, plot)
        if as_json:
            typer.echo(result.model_dump_json(indent=2))
            return
        console.print(str(result), highlight=False, markup=False, soft_wrap=True)
        name = schedule or "fastxtend"
        _show(name, result.predict(plan), console, title="with the loader as it is")
        if result.sized is not None:
            sized = result.predict(plan, loading="sized")
            _show(name, sized, console, title="with a sized loader")
        _suggest(result, budget, length, console)
