"""``upsize demo``: progressive resizing against full size, on real images."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from upsize.cli._demo_runs import compare_runs, load_images, train_longer
from upsize.cli._errors import friendly
from upsize.cli._frameworks import check_framework, frameworks, runner
from upsize.cli._named import load_schedule
from upsize.cli._paths import check_folder, check_picture, save_picture
from upsize.cli._presets import find, is_preset, preset_names
from upsize.cli._values import parse
from upsize.schedule import Ramp, Schedule
from upsize.schedule._shown import shown

__all__ = ["demo"]

_SIZE = 128
_LEAST_SIZE = 8
_MOST_EPOCHS = 100_000
_MOST_IMAGES = 65_536
_MOST_SEED = 2**32 - 1


def _schedule(
    file: str | None, size: int | None, initial_size: Any
) -> tuple[Schedule, int]:
    """Return the schedule and the full size that the options ask for."""
    if file is None:
        from upsize.demo._plans import default_schedule

        full = size or _SIZE
        first = 0.5 if initial_size is None else initial_size
        return default_schedule(full, first), full
    if initial_size is not None:
        raise ValueError(
            f"--initial-size {shown(initial_size)} and --schedule {file} both set the first "
            "size: leave one of them out"
        )
    if is_preset(file):
        schedule = find(file).build(size or _SIZE, {})
    else:
        schedule = load_schedule(file)
    height, width = schedule.full_size(size) or (_SIZE, _SIZE)
    if height != width or height < _LEAST_SIZE:
        raise ValueError(
            f"--schedule {file}: the images of the demo are squares of at least "
            f"{_LEAST_SIZE} pixels, not {height}x{width}"
        )
    return schedule, height


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own images, in train/CLASS/ and val/CLASS/.",
            show_default="2,624 photographs of solar cells",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, max=_MOST_EPOCHS, help="Epochs of each run.")
    ] = 10,
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
        int,
        typer.Option(
            min=0, max=_MOST_SEED, help="Seed of weights, order and augmentation."
        ),
    ] = 0,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="A preset, see upsize plan --list, a .json, .yaml or .toml file, or "
            "MODULE:NAME of a schedule of your own.",
            show_default="three sizes, growing from 1/2 to 3/4 of training",
            autocompletion=preset_names,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=2, max=_MOST_IMAGES, help="Images in a batch.")
    ] = 32,
    framework: Annotated[
        str | None,
        typer.Option(
            "--with",
            help=f"Train with a framework: {', '.join(frameworks())}.",
            show_default="a plain loop of PyTorch",
            autocompletion=lambda: list(frameworks()),
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
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the results as JSON, and nothing else."),
    ] = False,
) -> None:
    """Train a small ResNet from scratch, at full size and progressively.

    Both runs have the same seed, order and augmentation, and alternate by the epoch.
    """
    console = Console(stderr=as_json)
    with friendly():
        # Threads that spin while they wait make training several times slower as soon
        # as another program wants a core. OpenMP reads this when torch is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from upsize.demo._data import check_memory
        from upsize.demo._files import find_cells, find_folder
        from upsize.demo._plans import steps_per_epoch
        from upsize.demo._report import notes, picture, results_table, to_json

        began = time.perf_counter()
        # All that can be refused is refused before images are decoded, and before
        # minutes of training.
        check_picture(output, "--output")
        if framework is not None:
            check_framework(framework)
        if data is not None:
            check_folder(data, "--data")
        grow, full = _schedule(
            schedule, size, None if initial_size is None else parse(initial_size)
        )
        files = find_cells(seed) if data is None else find_folder(data)
        count = len(files.train) + len(files.val)
        check_memory(count, full, channels=1 if files.mode == "L" else 3)
        steps = steps_per_epoch(len(files.train), batch_size)
        schedules = {"full size": Ramp(initial_size=1.0), "progressive": grow}
        plans = {
            name: each.plan(epochs=epochs, steps_per_epoch=steps, final_size=full)
            for name, each in schedules.items()
        }
        train = runner(framework)
        images = load_images(files, full, console)
        console.print(
            f"{len(images.train)} images to train on, {len(images.val)} to validate "
            f"on, {len(images.classes)} classes; batches of {batch_size}.",
            highlight=False,
        )
        console.print(plans["progressive"].summary(), highlight=False, soft_wrap=True)
        compare = partial(
            compare_runs,
            train=train,
            data=images,
            batch_size=batch_size,
            seed=seed,
            console=console,
        )
        results = compare(schedules, plans)
        if equal_time:
            results += train_longer(grow, results, compare, console)
        # Before the picture: a disk may have filled up in the meantime.
        if as_json:
            typer.echo(to_json(results))
        console.print()
        console.print(results_table(results))
        console.print()
        console.print(
            notes(results[0].accuracy, len(images.val)), style="dim", highlight=False
        )
        save_picture(picture(results), output, "--output")
        console.print(
            f"Picture: {output}   (all in {time.perf_counter() - began:.0f} s)",
            highlight=False,
            soft_wrap=True,
        )
