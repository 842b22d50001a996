"""Images per second at each size, constant batch against grown: ``python -m tests.benchmarks.batch``.

Trains each model with random images on whatever device there is: with a constant batch,
and with one that has as many pixels at every size. Prints a table for each model; the
last column is what fastxtend's schedule would save, as a share of the pixels left out.
``--tiny`` takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
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

from upsize.schedule import Grow, Plan, Size
from upsize.schedule._table import align

BATCHES = [16, 64, 256]

Rates = dict[tuple[Size, int], Point]


def batches(plan: Plan, batch: int, limit: int) -> dict[str, dict[Size, int]]:
    """Return the images in a batch at each size, constant and grown."""
    grow, full = Grow(limit, batch=batch), plan.final_size
    return {
        "constant": dict.fromkeys(plan.sizes, batch),
        "grown": {size: grow.images_at(size, full=full) for size in plan.sizes},
    }


def rows_of(
    plan: Plan, points: Rates, ways: dict[int, dict[str, dict[Size, int]]]
) -> list[dict[str, Any]]:
    """Return for each batch and way: images in a batch and per second at each size."""
    rows: list[dict[str, Any]] = []
    for batch, kinds in ways.items():
        for way, counts in kinds.items():
            rates = {size: points[size, count].rate for size, count in counts.items()}
            share = achieved(
                plan, lambda size, r=rates: 1 / r[size] if r[size] else None
            )
            row = {"batch": batch, "way": way, "achieved": share}
            row["images"] = {f"{size}": count for size, count in counts.items()}
            row["rates"] = {f"{size}": rate for size, rate in rates.items()}
            rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the cells of these rows, and of a head."""
    made = [("batch", "way", *rows[0]["images"], "achieved")]
    for row in rows:
        cells = [
            f"{_spell(rate)} ({images})" if rate else f"does not fit ({images})"
            for rate, images in zip(
                row["rates"].values(), row["images"].values(), strict=True
            )
        ]
        last = "-" if row["achieved"] is None else f"{row['achieved']:.2f}"
        made.append((f"{row['batch']}", row["way"], *cells, last))
    return made


def _spell(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def run(args: Any) -> dict[str, Any]:
    """Measure all of it, write it, and print a table for each model."""
    plan = plan_of(args.sizes)
    ratio = math.prod(plan.final_size) / math.prod(plan.sizes[0])
    ways = {
        n: batches(plan, n, args.limit or math.ceil(n * ratio)) for n in args.batches
    }
    cases = {
        (size, count)
        for kinds in ways.values()
        for counts in kinds.values()
        for size, count in counts.items()
    }
    found: dict[str, Any] = {"about": about(args.device), "models": []}
    print(", ".join(f"{key} {value}" for key, value in found["about"].items()))
    print(f"theoretical maximum of the schedule: {1 - plan.pixel_share:.1%}")
    for name in args.models:
        for mode in args.modes:
            torch.compiler.reset()
            trainer = Trainer(name, args.sizes[-1], args.device, mode)
            points = measure(trainer, sorted(cases), args.rounds, args.steps)
            print(f"\n{name}, {trainer.mode}: images per second (images in a batch)")
            rows = rows_of(plan, points, ways)
            cells = table(rows)
            print(align(cells, range(2, len(cells[0]))), flush=True)
            each = [point_json(point) for point in points.values()]
            found["models"].append(
                {"model": name, "mode": trainer.mode, "rows": rows, "points": each}
            )
            write(args.json, found)  # what is measured is kept, whatever comes
            del trainer
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments("batch", __doc__.splitlines()[0])
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--limit", type=int, help="most images in a grown batch")
    args = options(parser, argv)
    if args.tiny:
        args.batches = [2, 8]
    run(args)


if __name__ == "__main__":
    main()
