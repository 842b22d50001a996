"""Measure every size in turn, in several rounds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from upsize.forecast._blocks import Block, Way, cost_of, run_block
from upsize.forecast._costs import Costs
from upsize.forecast._timer import Timer
from upsize.models._probe import Forward, to_device
from upsize.schedule import Size

__all__ = ["costs_of", "rounds", "validation_time"]

Blocks = dict[tuple[str, Size], list[Block]]

_ROUNDS = 3
_CHECKED = 4  # batches of the validation


def rounds(
    ways: Mapping[str, Way],
    sizes: Sequence[Size],
    step: Callable[[Any], None],
    timer: Timer,
    seconds: float,
) -> Blocks:
    """Train at every size with every way of loading, until the time is over.

    Args:
        ways: Ways of loading, by name.
        sizes: Sizes, the full one last.
        step: Trains on a batch.
        timer: Of the device.
        seconds: For all rounds; three where they last so long, two at the least.
    """
    blocks: Blocks = {(name, size): [] for name in ways for size in sizes}
    begin = time.perf_counter()
    each = seconds / (len(blocks) * _ROUNDS)
    # What is done once: kernels are loaded, the optimizer makes its state.
    run_block(ways["as it is"], sizes[-1], step, timer, 0.0)
    for number in itertools.count(1):
        for (name, size), measured in blocks.items():
            measured.append(run_block(ways[name], size, step, timer, each))
        past = time.perf_counter() - begin
        # Another round where it fits into the time.
        if number >= 2 and past * (number + 1) / number > seconds * 1.1:
            return blocks
    raise AssertionError  # pragma: no cover - the count does not end


def costs_of(blocks: Blocks, sizes: Sequence[Size]) -> dict[str, Costs]:
    """Return the costs of each way of loading.

    At full size all of them do the same work, so these blocks are taken together.
    """
    names = dict.fromkeys(name for name, _ in blocks)
    together = [block for name in names for block in blocks[name, sizes[-1]]]
    full = cost_of(sizes[-1], together)
    return {
        name: Costs(
            sizes=(*(cost_of(size, blocks[name, size]) for size in sizes[:-1]), full)
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
            "validation must have a length: it is not run to its end"
        ) from None
    if forward is None:
        raise TypeError(
            "validation is measured with forward(model, batch): give it, too"
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
