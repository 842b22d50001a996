"""Measure every size, one after another, in several rounds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from upsize.forecast._blocks import Loading, Measurement, cost_of, measure_steps
from upsize.forecast._costs import Costs
from upsize.forecast._timer import Timer
from upsize.models._probe import Forward, to_device
from upsize.schedule import Size

__all__ = ["costs_of", "measure_rounds", "validation_time"]

Measurements = dict[tuple[str, Size], list[Measurement]]

_ROUNDS = 3
_CHECKED = 4  # batches of the validation


def measure_rounds(
    loadings: Mapping[str, Loading],
    sizes: Sequence[Size],
    step: Callable[[Any], None],
    timer: Timer,
    seconds: float,
) -> Measurements:
    """Train at every size with every way of loading, until the time is up.

    Args:
        loadings: Ways of loading, by name.
        sizes: Sizes, the full one last.
        step: Trains on a batch.
        timer: Of the device.
        seconds: For all rounds; three where they last so long, two at the least.
    """
    measurements: Measurements = {
        (name, size): [] for name in loadings for size in sizes
    }
    begin = time.perf_counter()
    each = seconds / (len(measurements) * _ROUNDS)
    # First what happens only once: kernels are loaded, the optimizer makes its state.
    measure_steps(loadings["full"], sizes[-1], step, timer, 0.0)
    for number in itertools.count(1):
        for (name, size), measured in measurements.items():
            measured.append(measure_steps(loadings[name], size, step, timer, each))
        past = time.perf_counter() - begin
        # Another round where it fits into the time.
        if number >= 2 and past * (number + 1) / number > seconds * 1.1:
            return measurements
    raise AssertionError  # pragma: no cover - the count does not end


def costs_of(measurements: Measurements, sizes: Sequence[Size]) -> dict[str, Costs]:
    """Return the costs of each way of loading.

    At full size all of them do the same work, so these measurements are taken together.
    """
    names = dict.fromkeys(name for name, _ in measurements)
    together = [each for name in names for each in measurements[name, sizes[-1]]]
    full = cost_of(sizes[-1], together)
    return {
        name: Costs(
            sizes=(
                *(cost_of(size, measurements[name, size]) for size in sizes[:-1]),
                full,
            )
        )
        for name in names
    }


def validation_time(
    model: nn.Module,
    forward: Forward | None,
    loader: Iterable[Any],
    device: torch.device,
    timer: Timer,
) -> float:
    """Return the seconds of a validation, from a few of its batches.

    Raises:
        TypeError: When the loader has no length, or there is no ``forward``.
        ValueError: When it is empty.
    """
    try:
        count = len(loader)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            "validation must have a length: only a few of its batches are measured"
        ) from None
    if forward is None:
        raise TypeError(
            "validation is measured with forward(model, batch): give that as well"
        )
    if not count:
        raise ValueError("validation is empty: there is nothing to measure")
    model.eval()
    begin = time.perf_counter()
    first, batches = begin, 0
    with torch.inference_mode():
        for batch in itertools.islice(loader, 1 + _CHECKED):
            forward(model, to_device(batch, device))
            timer.wait()
            batches += 1
            first = time.perf_counter() if batches == 1 else first
    last = time.perf_counter()
    if batches == 1:
        return (last - begin) * count
    return (first - begin) + (count - 1) * (last - first) / (batches - 1)
