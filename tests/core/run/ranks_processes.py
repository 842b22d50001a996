"""Run by torchrun in test_ranks.py: prints what this process was told."""

from __future__ import annotations

from typing import Any

import torch
from tests.adapters.torchrun import finish
from torch import distributed

from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp


def run(batches: int) -> ProgressiveResize:
    return ProgressiveResize(
        Ramp(final_size=16, increase_by=4), epochs=4, steps_per_epoch=batches
    )


def next_size(resize: ProgressiveResize) -> Any:
    try:
        return resize(torch.rand(1, 3, 16, 16)).shape[-1]
    except ValueError as error:
        return str(error)


def main() -> dict[str, Any]:
    alone = next_size(run(9))
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    equal = run(12)
    sizes = []
    for _ in range(48):
        sizes.append(next_size(equal))
        equal.step()
    saved = run(12)
    for _ in range(20):
        saved.step()
    state = saved.state_dict()
    resumed = run(12)
    if rank == 0:
        resumed.load_state_dict(state)
    halfway = next_size(resumed)
    # Refused is not agreed: the other process finds its state, and both go on.
    if rank == 1:
        resumed.load_state_dict(state)
    return {
        "rank": rank,
        "alone": alone,
        "equal": sizes,
        "batches": next_size(run(13 - rank)),
        "halfway": halfway,
        "mended": next_size(resumed) == saved.size.width,
    }


if __name__ == "__main__":
    finish(main())
