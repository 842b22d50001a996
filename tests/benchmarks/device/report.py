"""Where it was measured, what a plan would take, and the options of both benchmarks."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torchvision
from tests.benchmarks.device.measure import Point
from tests.benchmarks.device.workload import MODELS, TINY
from tests.benchmarks.figures import processor

from upsize.schedule import Plan, Ramp, Size

__all__ = [
    "about",
    "achieved",
    "arguments",
    "options",
    "plan_of",
    "point_json",
    "write",
]


def about(device: torch.device) -> dict[str, Any]:
    """Return the name of the device, and the versions."""
    name, versions = processor(), {}
    if device.type == "cuda":  # pragma: no cover - needs one
        name = torch.cuda.get_device_name(device)
        versions = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return {
        "device": name,
        "time": "of the processor" if device.type == "cpu" else "of events",
        "threads": torch.get_num_threads(),
        "precision": "float32" if device.type == "cpu" else "bfloat16 autocast",
        "memory format": "channels_last",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        **versions,
    }


def plan_of(sizes: Sequence[int]) -> Plan:
    """Return fastxtend's schedule, with the sizes that are measured."""
    step = sizes[-1] - sizes[-2]
    ramp = Ramp(initial_size=sizes[0], final_size=sizes[-1], increase_by=step)
    return ramp.plan(epochs=20, steps_per_epoch=100)


def achieved(
    plan: Plan, seconds_per_image: Callable[[Size], float | None]
) -> float | None:
    """Return what a plan saves, as a share of what its pixels would save.

    Args:
        plan: Its steps stand for images: at each size as many as at a constant batch.
        seconds_per_image: At a size; ``None`` where it was not measured.
    """
    found = {size: seconds_per_image(size) for size in plan.sizes}
    full = found[plan.final_size]
    if full is None or None in found.values():
        return None
    spent = sum(float(n) * (found[size] or 0) for size, n in plan.steps_by_size.items())
    return (1 - spent / (plan.total_steps * full)) / (1 - plan.pixel_share)


def point_json(point: Point) -> dict[str, Any]:
    return asdict(point) | {"size": str(point.size), "images_per_second": point.rate}


def arguments(name: str, doc: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, with what both have."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}", description=doc
    )
    add = parser.add_argument
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fast = device != "cpu"
    add("--device", default=device)
    add("--models", nargs="+", choices=list(MODELS), default=None)
    add("--sizes", nargs="+", type=int, default=[112, 144, 176, 208, 224])
    add("--rounds", type=int, default=5 if fast else 3)
    add("--steps", type=int, default=10 if fast else 1, help="in each round")
    add("--modes", nargs="+", choices=["eager", "compiled"], default=None)
    add("--tiny", action="store_true", help="tiny models and images, in seconds")
    add("--json", type=Path)
    return parser


def options(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> Any:
    """Return the options; of --tiny those that take seconds."""
    args = parser.parse_args(argv)
    args.device = torch.device(args.device)
    if args.tiny:
        args.models, args.sizes, args.rounds, args.steps = TINY, [32, 64], 2, 1
    elif args.models is None:
        args.models = [name for name in MODELS if name not in TINY]
    if args.modes is None:
        args.modes = ["eager"] if args.device.type == "cpu" else ["eager", "compiled"]
    return args


def write(path: Path | None, found: dict[str, Any]) -> None:
    """Write the JSON, where a file was named."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1), "utf-8")
