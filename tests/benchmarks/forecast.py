"""Forecast, then train, and compare: ``python -m tests.benchmarks.forecast``.

On each workload a minute is measured; then three schedules are trained with the loader as
it is and with a sized one, and what is suggested for 80 % of the time, an epoch each in
turn with full-size training. Needs what ``tests.benchmarks.loading`` needs.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any

import torch
from tests.benchmarks.loading.cases import arguments, workloads
from tests.benchmarks.loading.measure import Result
from tests.benchmarks.loading.measure import measure as train
from tests.benchmarks.loading.methods import FEEDS, Method
from tests.benchmarks.loading.workloads import Workload, step_of
from torchvision.transforms import v2

from upsize.forecast import Forecast, Prediction, measure
from upsize.schedule import Phases, Ramp

BUDGET = 0.8


@dataclass(frozen=True)
class Row:
    """A run: what was foretold and what was measured, as shares of full-size training."""

    name: str
    maximum: float
    forecast: float
    measured: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.measured)


def schedules(size: int) -> dict[str, Ramp | Phases]:
    """Return three schedules that are unlike each other."""
    quarter = size // 4
    return {
        "reference": Ramp(final_size=size, increase_by=quarter),
        "early, 8 sizes": Ramp(
            final_size=size, start=0.1, finish=0.5, increase_by=max(1, size // 14)
        ),
        "three phases": Phases(
            phases=[(0, 2 * quarter), ("1/3", 3 * quarter), ("2/3", size)]
        ),
    }


def forecast_of(work: Workload, seconds: float) -> Forecast:
    """Measure a workload as its user would."""
    setting = work.setting
    model = work.new_model()
    train_on = step_of(model, setting)

    def step(batch: Any) -> None:
        images, labels = batch
        train_on(images.contiguous(memory_format=torch.channels_last), labels)

    loader = setting.loader(work.dataset(v2.RandomResizedCrop(setting.full)))
    return measure(model, loader, step=step, seconds=seconds)


def compare(work: Workload, forecast: Forecast, epochs: int, repeats: int) -> list[Row]:
    """Train all of it, and return a row for each run."""
    length = {
        "epochs": epochs,
        "steps_per_epoch": len(work.indices) // work.setting.batch_size,
    }
    wanted: dict[str, tuple[Prediction, str]] = {}
    for loading in ("full", "sized"):
        for name, schedule in schedules(work.setting.full).items():
            prediction = forecast.predict(schedule, **length, loading=loading)
            wanted[f"{name}, {loading}"] = prediction, loading
    for loading in ("full", "sized"):
        try:
            ramp = forecast.suggest(BUDGET, **length, loading=loading, max_sizes=4)
        except ValueError as error:
            print(f"  {loading}: {error}")
            continue
        prediction = forecast.predict(ramp, **length, loading=loading)
        name = f"suggested {ramp.initial_size} to {ramp.finish:.0%}, {loading}"
        wanted[name] = prediction, loading
    plan = next(iter(wanted.values()))[0].plan
    runs = [(Method("full size", FEEDS["full size"]), plan)]
    runs += [
        (Method(name, FEEDS[loading]), prediction.plan)
        for name, (prediction, loading) in wanted.items()
    ]
    full, *results = train(work, runs, repeats)
    return [
        Row(
            result.method,
            wanted[result.method][0].theoretical_maximum,
            wanted[result.method][0].saving,
            _savings(result, full),
        )
        for result in results
    ]


def _savings(result: Result, full: Result) -> list[float]:
    pairs = zip(result.seconds(), full.seconds(), strict=True)
    return [1 - own / whole for own, whole in pairs]


def table(rows: list[Row]) -> str:
    lines = [
        f"{'':38} {'maximum':>9} {'forecast':>9} {'measured':>9} "
        f"{'(least to most)':>18} {'points off':>11}"
    ]
    for row in rows:
        spread = f"({min(row.measured):.1%} to {max(row.measured):.1%})"
        lines.append(
            f"{row.name:38} {row.maximum:9.1%} {row.forecast:9.1%} {row.median:9.1%} "
            f"{spread:>18} {100 * (row.median - row.forecast):+11.1f}"
        )
    return "\n".join(lines)


def _main() -> None:
    parser = arguments("forecast", __doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the measuring")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for work in workloads(args):
        forecast = forecast_of(work, args.seconds)
        print(f"{work.name}: {work.model_name}\n{forecast}", flush=True)
        rows = compare(work, forecast, args.epochs, args.repeats)
        print(table(rows), "\n", flush=True)
        found[work.name] = {
            "forecast": forecast.model_dump(mode="json"),
            "rows": [vars(row) for row in rows],
        }
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    _main()
