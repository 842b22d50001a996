"""What small images save of a training step, and with the loader: ``python -m tests.benchmarks.gpu``.

For each model, eager and compiled: the time of a step at each size, the share of the
theoretical maximum that fastxtend's schedule achieves, what the first step at a new size
costs, and the same with a loader of JPEG files. On whatever device there is; ``--tiny``
takes seconds.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tests.benchmarks.device.measure import Point, measure
from tests.benchmarks.device.report import (
    about,
    achieved,
    arguments,
    options,
    plan_of,
    point_json,
    write,
)
from tests.benchmarks.device.workload import Trainer
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize import forecast
from upsize.loading import RandomResizedCropDecode
from upsize.schedule import Plan, Size
from upsize.schedule._table import align

Steps = dict[Size, Point]


def size_change(points: Steps, full: Size) -> float | None:
    """Return the median of what the first step at a size took more than the others."""
    extra = [
        point.first - point.step
        for size, point in points.items()
        if size != full and point.first is not None and point.step is not None
    ]
    return statistics.median(extra) if extra else None


def photographs(folder: Path, count: int, side: int) -> Path:
    """Write JPEG files of noise, a quarter larger than the full size."""
    for index in range(count):
        file = folder / f"{index % 4}" / f"{index:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.effect_noise((side // 4, side // 4), 80)
        noise.resize((side * 5 // 3, side * 5 // 4)).convert("RGB").save(
            file, quality=90
        )
    return folder


def loader_of(files: Path, batch: int, side: int, workers: int) -> DataLoader[Any]:
    augment = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    data = ImageFolder(files, augment, loader=RandomResizedCropDecode(side))
    return DataLoader(
        data,
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def with_loader(trainer: Trainer, loader: Any, plan: Plan, seconds: float) -> Any:
    """Train with the loader, and return what the plan saves in each way of loading."""
    made = forecast.measure(
        trainer.bare,
        loader,
        step=trainer.step,
        plan=plan,
        seconds=seconds,
        grow=False,
    )
    found = {"forecast": made.model_dump(mode="json"), "achieved": {}}
    for loading in ("full", "sized"):
        saving = made.predict(plan, loading=loading).saving
        found["achieved"][loading] = saving / (1 - plan.pixel_share)
    return found


def draw(path: Path, steps: Mapping[str, Steps], plan: Plan, title: str) -> None:
    """Draw the time of a step over the pixels, both as shares of full size."""
    from upsize.plot import save
    from upsize.plot._style import axes, style

    ax = axes(None)
    full = plan.final_size
    for number, (name, points) in enumerate(steps.items()):
        whole = points[full].step
        places = [
            (size.height * size.width / (full.height * full.width), point.step / whole)
            for size, point in points.items()
            if point.step is not None and whole is not None
        ]
        color, line, marker = style(number)
        if places:
            ax.plot(
                *zip(*places, strict=True), color=color, linestyle=line, marker=marker,
                label=name,
            )  # fmt: skip
    ax.plot([0, 1], [0, 1], color="grey", linewidth=1, label="as the pixels")
    ax.set(
        xlabel="pixels, share of full size",
        ylabel="time of a step, share of full size",
        title=title,
        xlim=0,
        ylim=0,
    )
    ax.legend(frameon=False, fontsize=8)
    save(ax, path)


def row_of(trainer: Trainer, points: Steps, plan: Plan, share: Any, loaded: Any) -> Any:
    """Return the cells of a model."""
    cells = [
        "does not fit" if point.step is None else f"{1000 * point.step:.4g}"
        for point in points.values()
    ]
    change = size_change(points, plan.final_size)
    return (
        trainer.name,
        trainer.mode,
        *cells,
        "-" if share is None else f"{share:.2f}",
        "-" if change is None else f"{1000 * change:+.4g}",
        *(f"{loaded['achieved'][name]:.2f}" for name in ("full", "sized")),
    )


def run(args: Any, files: Path) -> dict[str, Any]:
    """Measure all of it, write it, print a table, and return what was found."""
    plan, side = plan_of(args.sizes), args.sizes[-1]
    loader = loader_of(files, args.batch, side, args.workers)
    found: dict[str, Any] = {"about": about(args.device), "batch": args.batch}
    found |= {"theoretical_maximum": 1 - plan.pixel_share, "models": []}
    rows: list[Any] = [
        (
            "model",
            "mode",
            *map(str, plan.sizes),
            "achieved",
            "new size",
            "full",
            "sized",
        )
    ]
    steps: dict[str, Steps] = {}
    for name in args.models:
        for mode in args.modes:
            torch.compiler.reset()
            trainer = Trainer(name, side, args.device, mode)
            cases = [(size, args.batch) for size in plan.sizes]
            measured = measure(trainer, cases, args.rounds, args.steps)
            points = {size: point for (size, _), point in measured.items()}
            times = {size: point.step for size, point in points.items()}
            share = achieved(plan, lambda size, t=times: t[size])
            loaded = with_loader(trainer, loader, plan, args.seconds)
            rows.append(row_of(trainer, points, plan, share, loaded))
            print(" ".join(rows[-1]), flush=True)
            steps[f"{name}, {trainer.mode}"] = points
            found["models"].append(
                {
                    "model": name,
                    "mode": trainer.mode,
                    "points": [point_json(point) for point in points.values()],
                    "achieved": share,
                    "size_change": size_change(points, plan.final_size),
                    "with_loader": loaded,
                }
            )
            write(args.json, found)  # what is measured is kept, whatever comes
            del trainer
    print("\n" + ", ".join(f"{key} {value}" for key, value in found["about"].items()))
    print(
        f"batches of {args.batch}; ms of a step at each size, of the first one at a new"
    )
    print(
        f"size more; shares of the theoretical maximum {1 - plan.pixel_share:.1%}: of"
    )
    print("the step, with a full-size loader, with a sized one\n")
    print(align(rows, range(2, len(rows[0]))))
    if args.picture is not None:
        draw(args.picture, steps, plan, found["about"]["device"])
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments("gpu", __doc__.splitlines()[0])
    add = parser.add_argument
    add("--batch", type=int, default=64)
    add("--images", type=int, default=2048, help="JPEG files that the loader reads")
    add("--workers", type=int, default=os.cpu_count() or 1)
    add("--seconds", type=float, default=30.0, help="of measuring with the loader")
    add("--picture", type=Path, help="a .png, .svg or .pdf file")
    args = options(parser, argv)
    if args.tiny:
        args.batch, args.images, args.workers, args.seconds = 4, 20, 0, 0.01
    with tempfile.TemporaryDirectory() as folder:
        files = photographs(Path(folder), args.images, args.sizes[-1])
        run(args, files)


if __name__ == "__main__":
    main()
