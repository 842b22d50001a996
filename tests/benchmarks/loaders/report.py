"""The tables and the JSON of what was measured, and the table of the page."""

from __future__ import annotations

import platform
import statistics
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tests.benchmarks.figures import around_figures, markdown, processor
from tests.benchmarks.loaders.measure import Measured
from tests.benchmarks.loaders.setting import BATCH, SCALE
from tests.benchmarks.loaders.ways import BOUND

__all__ = ["FASTEST", "about", "insert", "realised", "tables", "to_json"]

_PACKAGES = (
    *("upsize", "torch", "torchvision", "pillow", "simplejpeg", "lmdb"),
    *("opencv-python-headless", "opencv-python", "ffcv", "numba", "numpy"),
)
#: The name of our fastest way at each size.
FASTEST = "the fastest of upsize at each size"

_WIDTH = 99  # columns of the page


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def about(core: int | None, images: int, rounds: int) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "versions": {"python": platform.python_version()} | dict(_versions()),
        "processor": processor(),
        "pinned": core is not None,
        "images": images,
        "rounds": rounds,
        "batch": BATCH,
        "scale": SCALE,
    }


def realised(measured: Sequence[Measured], photographs: str) -> dict[str, float]:
    """Return what ways save of what the pixels promise, each at its own full size.

    These are our ways and the bound of them.

    Training spends half of its steps at the smallest size, the same share at each other
    one, and waits for the loader alone: 1 is all that the pixels promise. The last one
    takes the fastest way at each size, and the fastest at full size.
    """
    here = [each for each in measured if each.photographs == photographs]
    own = [each for each in here if each.ours]
    if not own or len(own[0].cpu) < 2:
        return {}
    sizes = sorted(own[0].cpu)
    rates = {each.way: {size: each.rate(size) for size in sizes} for each in own}
    rates[FASTEST] = {size: max(way[size] for way in rates.values()) for size in sizes}
    for each in here:
        if each.way == BOUND:
            rates[BOUND] = {size: each.rate(size) for size in sizes}
    small, *others = sizes
    weights = {small: 0.5} | dict.fromkeys(others, 0.5 / len(others))
    full = sizes[-1]
    promise = 1 - sum(share * (size / full) ** 2 for size, share in weights.items())
    return {
        way: (1 - sum(weights[size] * rate[full] / rate[size] for size in sizes))
        / promise
        for way, rate in rates.items()
    }


def to_json(
    measured: Sequence[Measured], about: dict[str, Any], missing: dict[str, str]
) -> dict[str, Any]:
    """Return everything as plain data."""
    names = dict.fromkeys(each.photographs for each in measured)
    slower = [
        cpu / wall
        for each in measured
        for size in each.cpu
        for cpu, wall in zip(each.cpu[size], each.wall[size], strict=True)
    ]
    return {
        "about": about,
        "wall_per_cpu": statistics.median(slower),
        "measured": [
            asdict(each)
            | {
                "cpu": {str(size): rates for size, rates in each.cpu.items()},
                "wall": {str(size): rates for size, rates in each.wall.items()},
            }
            for each in measured
        ],
        "realised": {name: realised(measured, name) for name in names},
        "missing": missing,
    }


def _rows(found: dict[str, Any], clock: str) -> Iterator[list[str]]:
    """Yield the cells of the table, the head first."""
    measured = found["measured"]
    names = list(dict.fromkeys(each["photographs"] for each in measured))
    sizes = sorted(map(int, measured[0][clock]), reverse=True)
    yield [
        "images/s",
        *(
            head
            for name in names
            for head in (f"{name} {sizes[0]}", *map(str, sizes[1:]), "MB")
        ),
    ]
    for way in dict.fromkeys(each["way"] for each in measured):
        cells = [way]
        for each in measured:
            if each["way"] == way:
                rates = (statistics.median(each[clock][str(size)]) for size in sizes)
                cells += [
                    *(f"{rate:.0f}" for rate in rates),
                    f"{each['disk'] / 1e6:.0f}",
                ]
        yield cells


def _plain(rows: Iterator[list[str]]) -> str:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _shares(found: dict[str, Any]) -> Iterator[list[str]]:
    realised = {name: each for name, each in found["realised"].items() if each}
    yield ["realised share of the pixels' promise", *realised]
    for way in next(iter(realised.values()), {}):
        yield [way, *(f"{realised[name][way]:.2f}" for name in realised)]


def tables(found: dict[str, Any]) -> str:
    """Return the tables for a terminal, from the JSON of a run."""
    parts = [
        "by CPU time\n" + _plain(_rows(found, "cpu")),
        f"by wall time, {found['wall_per_cpu']:.2f} times the CPU time\n"
        + _plain(_rows(found, "wall")),
        _plain(_shares(found)),
        *(f"not measured: {name}: {why}" for name, why in found["missing"].items()),
        ", ".join(map(" ".join, found["about"]["versions"].items())),
    ]
    return "\n\n".join(parts)


def _sentences(found: dict[str, Any]) -> Iterator[str]:
    """Yield what the figures depend on."""
    told = found["about"]
    where = "One pinned core" if told["pinned"] else "One thread"
    yield (
        f"{where} of {told['processor']}, {told['images']} photographs, medians of "
        f"{told['rounds']} rounds; the wall time was {found['wall_per_cpu']:.2f} times the "
        "CPU time."
    )
    for name, why in found["missing"].items():
        yield f"Not measured: {name}, which {why}."
    versions = told["versions"].items()
    yield f"Versions: {', '.join(f'{name} {number}' for name, number in versions)}."


def insert(page: str, found: dict[str, Any]) -> str:
    """Return the page with the figures of a run between its two marks.

    Raises:
        ValueError: When the page lacks a mark.
    """
    before, after = around_figures(page)
    parts = [
        before,
        markdown(_rows(found, "cpu")),
        markdown(_shares(found)),
        "\n".join(textwrap.fill(each, _WIDTH) for each in _sentences(found)),
        after,
    ]
    return "\n\n".join(part for part in parts if part)
