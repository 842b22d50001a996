"""The three workloads of the benchmarks, and the options that they share."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import timm
import torch
from tests.benchmarks.loading.images import photographs
from tests.benchmarks.loading.workloads import (
    Setting,
    Workload,
    balanced_model,
    convnet,
)
from torchvision.datasets import ImageFolder

__all__ = ["FOLDER", "arguments", "workloads"]

FOLDER = Path(tempfile.gettempdir(), "upsize-benchmark")
_NAMES = ("loader-bound", "balanced", "compute-bound")


def arguments(name: str, about: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, with the options that all have."""
    cores = os.cpu_count() or 1
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}", description=about
    )
    add = parser.add_argument
    add("workloads", nargs="*", help=f"of {', '.join(_NAMES)}; all of them")
    add("--images", type=Path, help="a folder with a folder of images for each class")
    add("--size", type=int, default=224, help="full size in pixels")
    add("--epochs", type=int, default=4)
    add("--repeats", type=int, default=3)
    add("--batch-size", type=int, default=256 if cuda else 32)
    add("--workers", type=int, default=cores if cuda else max(1, cores - 1))
    add("--limit", type=int, default=None, help="at most this many images of files")
    add("--in-memory", type=int, default=4096 if cuda else 512, help="images")
    add("--device", default="cuda" if cuda else "cpu")
    add("--json", type=Path)
    return parser


def workloads(args: argparse.Namespace) -> Iterator[Workload]:
    """Set up torch, and yield the workloads that were asked for."""
    device = torch.device(args.device)
    if device.type == "cpu":
        # The workers have the other cores; all runs are treated alike.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - args.workers))
    torch.backends.cudnn.benchmark = True
    images = photographs(FOLDER) if args.images is None else args.images
    files = ImageFolder(images)
    count = len(files) if args.limit is None else min(args.limit, len(files))
    setting = Setting(
        images, args.size, args.batch_size, args.workers, device, len(files.classes)
    )
    yield from _of_setting(
        args.workloads or list(_NAMES), setting, count, args.in_memory
    )


def _of_setting(
    names: list[str], setting: Setting, count: int, in_memory: int
) -> Iterator[Workload]:
    torch.manual_seed(0)
    order = torch.randperm(count).tolist()
    held, rest = order[: count // 10], order[count // 10 :]
    for name in names:
        if name == "loader-bound":
            model = ("convnet, 4 channels", convnet(4, setting.classes))
        elif name == "balanced":
            model = balanced_model(setting)
        else:
            model = (
                "timm resnet10t",
                timm.create_model("resnet10t", num_classes=setting.classes),
            )
        memory = name == "compute-bound"
        indices = rest[:in_memory] if memory else rest
        yield Workload(name, *model, setting, indices, held, memory)
