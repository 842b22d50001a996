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

__all__ = ["GROWN", "costs_of", "measure_rounds", "validation_time"]

Measurements = dict[tuple[str, Size], list[Measurement]]

#: Name of a way of loading with larger batches: this, and that of the plain one.
GROWN = "grown "
_ROUNDS = 3
_CHECKED = 4  # batches of the validation


def measure_rounds(
    loadings: Mapping[str, Loading],
    sizes: Sequence[Size],
    step: Callable[[Any], None],
    timer: Timer,
    seconds: float,
) -> tuple[Measurements, str | None]:
    """Train at every size with every way of loading, until the time is up.

    Args:
        loadings: Ways of loading, by name.
        sizes: Sizes, the full one last.
        step: Trains on a batch.
        timer: Of the device.
        seconds: For all rounds; three where they last so long, two at the least.

    Returns:
        What was measured; without larger batches if one of them fails, and why it does.
    """
    measurements: Measurements = {
        (name, size): []
        for name, loading in loadings.items()
        for size in sizes
        if loading.grown is None or size in loading.grown.images
    }
    begin = time.perf_counter()
    each = seconds / (len(measurements) * _ROUNDS)
    # First what happens only once: kernels are loaded, the optimizer makes its state.
    measure_steps(loadings["full"], sizes[-1], step, timer, 0.0)
    failed: str | None = None
    for number in itertools.count(1):
        for (name, size), measured in list(measurements.items()):
            try:
                found = measure_steps(loadings[name], size, step, timer, each)
            except Exception as error:  # whatever a step raises at another batch
                grown = loadings[name].grown
                if grown is None:
                    raise
                failed = f"{grown.images[size]} images of {size}: {_brief(error)}"
                measurements = _constant(loadings, measurements)
                break  # those with larger batches are the last
            measured.append(found)
        past = time.perf_counter() - begin
        # Another round where it fits into the time.
        if number >= 2 and past * (number + 1) / number > seconds * 1.1:
            return measurements, failed
    raise AssertionError  # pragma: no cover - the count does not end


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _constant(
    loadings: Mapping[str, Loading], measurements: Measurements
) -> Measurements:
    """Leave out what was measured with larger batches."""
    return {
        key: found
        for key, found in measurements.items()
        if loadings[key[0]].grown is None
    }


def costs_of(
    loadings: Mapping[str, Loading], measurements: Measurements, sizes: Sequence[Size]
) -> dict[str, Costs]:
    """Return the costs of each way of loading, of a batch of the loader.

    At full size all of them do the same work, so these measurements are taken together.

    Args:
        loadings: Ways of loading, by name. One with larger batches is named after the
            one with constant batches, whose costs it has where they are equal.
        measurements: Of them.
        sizes: Sizes, the full one last.
    """
    plain = [name for name, loading in loadings.items() if loading.grown is None]
    together = [each for name in plain for each in measurements[name, sizes[-1]]]
    full = cost_of(sizes[-1], together)
    costs = {}
    measured = {name for name, _ in measurements}
    for name, loading in loadings.items():
        if name not in measured:
            continue
        grown, below = loading.grown, []
        for size in sizes[:-1]:
            if grown is not None and size in grown.images:
                found = measurements[name, size]
                below.append(cost_of(size, found, grown.share(size)))
            else:
                found = measurements[name.removeprefix(GROWN), size]
                below.append(cost_of(size, found))
        costs[name] = Costs(sizes=(*below, full))
    return costs


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
