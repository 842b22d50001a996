"""``upsize demo``: progressive resizing against full size, on real images."""

from __future__ import annotations

import os
import time
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from upsize._extras import missing_extra
from upsize.cli._errors import friendly
from upsize.cli._progress import Board, decoding
from upsize.cli._values import parse
from upsize.schedule import Linear, MultiScale, Phases, Plan, Ramp, load

if TYPE_CHECKING:
    from upsize.demo import Data, Result
    from upsize.demo._run import Runner

__all__ = ["demo"]

_FRAMEWORKS = ("accelerate", "fastai", "lightning", "transformers")
_SIZE = 128
_LEAST_SIZE = 8


def _check_extra() -> None:
    if any(find_spec(name) is None for name in ("torch", "PIL", "matplotlib")):
        raise missing_extra("demo", "Photographs, training and pictures")


def _schedule(
    file: Path | None, size: int | None, initial_size: Any
) -> tuple[Ramp | Linear | Phases | MultiScale, int]:
    """Return the schedule and the full size that the options ask for."""
    if file is None:
        from upsize.demo import default_schedule

        full = size or _SIZE
        first = 0.5 if initial_size is None else initial_size
        return default_schedule(full, first), full
    if initial_size is not None:
        raise ValueError(
            f"--initial-size {initial_size} and --schedule {file} both set the first "
            "size: leave one of them out"
        )
    schedule = load(file)
    height, width = schedule.resolve(size or (None if schedule.target() else _SIZE))
    if height != width or height < _LEAST_SIZE:
        raise ValueError(
            f"{file}: the images of the demo are squares of at least {_LEAST_SIZE} "
            f"pixels, not {height}x{width}"
        )
    return schedule, height


def _load(folder: Path | None, size: int, seed: int, console: Console) -> Data:
    """Decode the images under a progress bar."""
    from upsize.demo import load_cells, load_folder

    with decoding(console) as track:
        if folder is None:
            return load_cells(size, seed, track)
        return load_folder(folder, size, track)


def _runner(framework: str | None) -> Runner:
    """Return what trains: a plain loop of PyTorch, or a framework's."""
    if framework is None:
        from upsize.demo import train

        return train
    if framework not in _FRAMEWORKS:
        raise ValueError(
            f"--with must be one of {', '.join(_FRAMEWORKS)}, not {framework!r}"
        )
    with warnings.catch_warnings():
        # What fastai and its dependencies say of each other as they are imported.
        warnings.simplefilter("ignore")
        # Says which extra is missing, where one is.
        _ = import_module(f"upsize.{framework}").ProgressiveResize
        runner: Runner = import_module(f"upsize.{framework}._demo").train
    return runner


def _compare(
    train: Runner,
    data: Data,
    plans: dict[str, Plan],
    batch_size: int,
    seed: int,
    console: Console,
) -> list[Result]:
    """Train along each plan, in turn, under a board of progress."""
    from upsize.demo import Result, Training, in_turn

    with Board(console, plans) as board:
        runs = {
            name: board.watch(
                name,
                train(
                    Training(data, plan, batch_size=batch_size, seed=seed),
                    board.on_step(name),
                ),
            )
            for name, plan in plans.items()
        }
        epochs = in_turn(runs)
    return [Result(name, plans[name], epochs[name]) for name in plans]


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own images, in train/<class>/ and val/<class>/.",
            show_default="2,624 photographs of solar cells",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each run.")] = 10,
    size: Annotated[
        int | None,
        typer.Option(
            min=_LEAST_SIZE, help="Full size in pixels.", show_default=str(_SIZE)
        ),
    ] = None,
    initial_size: Annotated[
        str | None,
        typer.Option(
            help="First size: pixels, or a share (0.5) of --size.",
            show_default="half of --size",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of weights, order and augmentation.")
    ] = 0,
    schedule: Annotated[
        Path | None,
        typer.Option(
            help="A schedule in a .json, .yaml or .toml file.",
            show_default="three sizes, growing from 1/2 to 3/4 of training",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Images in a batch.")] = 32,
    framework: Annotated[
        str | None,
        typer.Option(
            "--with",
            help=f"Train with a framework: {', '.join(_FRAMEWORKS)}.",
            show_default="a plain loop of PyTorch",
        ),
    ] = None,
    equal_time: Annotated[
        bool,
        typer.Option(
            "--equal-time",
            help="Then train progressively for as long as full size has taken.",
        ),
    ] = False,
    output: Annotated[
        Path, typer.Option(help="The picture: a .png, .svg or .pdf file.")
    ] = Path("upsize-demo.png"),
) -> None:
    """Train a small ResNet from scratch, at full size and progressively.

    Both runs have the same seed, order and augmentation, and take turns by the epoch.
    """
    console = Console()
    with friendly():
        _check_extra()
        # Threads that spin while they wait make training several times slower as soon
        # as another program wants a core. OpenMP reads this when torch is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from upsize.demo import (
            affordable_epochs,
            notes,
            picture,
            results_table,
            steps_per_epoch,
        )
        from upsize.plot import check_picture, save

        began = time.perf_counter()
        train = _runner(framework)
        check_picture(output)
        grow, full = _schedule(
            schedule, size, None if initial_size is None else parse(initial_size)
        )
        images = _load(data, full, seed, console)
        steps = steps_per_epoch(len(images.train), batch_size)
        plans = {
            name: each.plan(epochs=epochs, steps_per_epoch=steps, final_size=full)
            for name, each in {
                "full size": Ramp(initial_size=1.0),
                "progressive": grow,
            }.items()
        }
        console.print(
            f"{len(images.train)} images to train on, {len(images.val)} to validate "
            f"on, {len(images.classes)} classes; batches of {batch_size}.",
            highlight=False,
        )
        console.print(plans["progressive"].summary(), highlight=False, soft_wrap=True)
        results = _compare(train, images, plans, batch_size, seed, console)
        if equal_time:
            baseline, progressive = results
            longer = affordable_epochs(
                progressive.plan, progressive.seconds, baseline.seconds
            )
            console.print(
                f"Full size took {baseline.seconds:.1f} s: time for {longer} "
                f"progressive epochs instead of {epochs}.",
                highlight=False,
            )
            plan = grow.plan(epochs=longer, steps_per_epoch=steps, final_size=full)
            results += _compare(
                train, images, {"equal time": plan}, batch_size, seed, console
            )
        save(picture(results), output)
        console.print()
        console.print(results_table(results))
        console.print()
        console.print(
            notes(results[0].accuracy, len(images.val)), style="dim", highlight=False
        )
        console.print(
            f"Picture: {output}   (all in {time.perf_counter() - began:.0f} s)",
            highlight=False,
            soft_wrap=True,
        )
