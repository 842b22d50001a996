"""Small images alone, full size, and progressively: ``python -m tests.benchmarks.evidence``.

Finds the defective cells in images of solar modules, which takes resolution. Each training
is added to the JSON file as it ends, and those that the file has are not repeated.
``--page`` trains nothing, and puts the table and the picture of such a file into the
documentation. ``--tiny`` takes seconds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tests.benchmarks.evidence.report import (
    FULL,
    LONGER,
    PROGRESSIVE,
    SHORTER,
    about,
    alone,
    draw,
    from_size,
    insert,
    least_time,
    of,
    table,
)
from tests.benchmarks.evidence.task import CELLS, Parts, load, made
from tests.benchmarks.evidence.train import BATCH_SIZE, steps_per_epoch, train

from upsize.demo._plans import affordable_epochs
from upsize.schedule import Plan, Ramp

_DOCS = Path(__file__).parents[3] / "docs"


class _Kind(NamedTuple):
    """A kind of training: its name, what grows, and the sizes of its steps."""

    name: str
    schedule: Ramp
    plan: Plan


class _Benchmark:
    """The trainings of the table, of which those that are there are not repeated."""

    def __init__(self, args: argparse.Namespace, parts: Parts) -> None:
        self._parts, self._args = parts, args
        self._steps = steps_per_epoch(parts.train)
        self.found: dict[str, Any] = {"about": about(args, parts), "runs": []}
        if args.json is not None and args.json.exists():
            self.found = json.loads(args.json.read_text("utf-8"))

    def run(self) -> None:
        """Train what is missing: equal times depend on what comes before them."""
        *small, full = self._args.sizes
        epochs, constant, ramp = self._args.epochs, Ramp(initial_size=1.0), self._ramp()
        self._train(self._kind(FULL, constant, full, epochs))
        self._train(self._kind(PROGRESSIVE, ramp, full, epochs))
        longer = self._epochs(ramp, PROGRESSIVE, FULL)
        self._train(self._kind(LONGER, ramp, full, longer))
        for side in reversed(small):
            self._train(self._kind(alone(side), constant, side, epochs))
        larger = Ramp(initial_size=small[-1], final_size=full, max_sizes=3)
        self._train(self._kind(from_size(small[-1]), larger, full, epochs))
        shorter = self._epochs(constant, FULL, PROGRESSIVE)
        self._train(self._kind(SHORTER, constant, full, shorter))

    def _ramp(self) -> Ramp:
        start, finish = self._args.grow
        return Ramp(start=start, finish=finish, max_sizes=3)

    def _kind(self, name: str, schedule: Ramp, side: int, epochs: int) -> _Kind:
        plan = schedule.plan(
            epochs=epochs, steps_per_epoch=self._steps, final_size=side
        )
        return _Kind(name, schedule, plan)

    def _epochs(self, schedule: Ramp, timed: str, budget: str) -> int:
        """Return the epochs of a schedule, timed as one kind, for the time of another."""
        plan = self._kind(timed, schedule, self._args.sizes[-1], self._args.epochs).plan
        took = {
            name: least_time(of(self.found["runs"], name)) for name in (timed, budget)
        }
        return affordable_epochs(schedule, plan, took[timed], took[budget])

    def _train(self, kind: _Kind) -> None:
        args, parts, runs = self._args, self._parts, self.found["runs"]
        done = {run["seed"] for run in of(runs, kind.name)}
        check = parts.validation if args.validation else parts.held_out
        for seed in sorted(set(range(args.seeds)) - done):
            measured = train(
                parts.train, check, kind.schedule, kind.plan, args.least, seed
            )
            run = {
                "name": kind.name,
                "seed": seed,
                "epochs": kind.plan.total_steps // self._steps,
                "pixel_share": kind.plan.pixel_share,
                **measured._asdict(),
            }
            runs.append(run)
            print(" ".join(f"{key} {value}" for key, value in run.items()), flush=True)
            if args.json is not None:
                text = json.dumps(self.found, indent=1) + "\n"
                args.json.write_text(text, "utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.evidence",
        description=(__doc__ or "").partition("\n")[0],
    )
    add = parser.add_argument
    add("--sizes", default="64,96,128", help="of modules; the last one is full size")
    add("--epochs", type=int, default=60)
    add("--seeds", type=int, default=5)
    add("--least", type=int, default=4, help="cells a side to train on; 8: no zoom")
    add("--grow", default="0.5,0.75", help="shares of training at which it grows")
    add("--validation", action="store_true", help="check on what chooses the settings")
    add("--json", type=Path, help="add each training to this file")
    add("--page", type=Path, help="put the table and picture of such a file in docs")
    add("--tiny", action="store_true", help="noise instead of photographs")
    args = parser.parse_args(arguments)
    if args.page is not None:
        found = json.loads(args.page.read_text("utf-8"))
        page = _DOCS / "evidence.md"
        page.write_text(insert(page.read_text("utf-8"), found), "utf-8")
        draw(_DOCS / "images" / "evidence.png", found)
        return
    if args.tiny:
        args.sizes, args.epochs, args.seeds = "16,32", 2, 2
    args.sizes = sorted(map(int, args.sizes.split(",")))
    args.grow = tuple(map(float, args.grow.split(",")))
    torch.set_num_threads(1)
    side = args.sizes[-1] // args.least
    parts = made(side, 4 * BATCH_SIZE * CELLS**2) if args.tiny else load(side)
    benchmark = _Benchmark(args, parts)
    benchmark.run()
    print(f"\n{table(benchmark.found)}")


if __name__ == "__main__":
    main()
