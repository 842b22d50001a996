"""Train with each method on each workload, in turn: ``python -m tests.benchmarks.loading``.

Prints a table for each workload. Needs ``pip install -e ".[demo,jpeg]" "timm>=1.0.31"``,
from the root of the project.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from tests.benchmarks.figures import processor
from tests.benchmarks.loading.cases import FOLDER, arguments, workloads
from tests.benchmarks.loading.measure import measure
from tests.benchmarks.loading.methods import by_epoch, methods_of
from tests.benchmarks.loading.report import draw, table, to_json

from upsize.schedule import Ramp


def _main() -> None:
    parser = arguments("loading", __doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="a .svg or .png file")
    args = parser.parse_args()
    measured = {}
    for work in workloads(args):
        setting = work.setting
        steps = len(work.indices) // setting.batch_size
        # With four epochs each has a size of its own but for the first two.
        ramp = Ramp(final_size=args.size, increase_by=args.size // 4)
        plan = ramp.plan(epochs=args.epochs, steps_per_epoch=steps)
        copies = FOLDER / f"copies-{args.size}-{setting.folder.resolve().name}"
        methods = list(methods_of(work, copies, plan))
        if not by_epoch(plan):
            print(
                "not measured: timm's sampler: this plan changes sizes within an epoch"
            )
        results = measure(work, [(each, plan) for each in methods], args.repeats)
        measured[work.name] = work.model_name, results
        print(table(results, plan, f"{work.name}: {work.model_name}"), "\n", flush=True)
    device = torch.device(args.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor()
    about = {
        "arguments": {key: str(value) for key, value in vars(args).items()},
        "device": name,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    if args.json is not None:
        args.json.write_text(to_json(measured, plan, about), "utf-8")
    if args.picture is not None:
        draw(args.picture, measured, plan)


if __name__ == "__main__":
    _main()
