"""What the processes of a run must agree on."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from torch import distributed

from upsize.run._counter import BatchCounter
from upsize.run._position import Counter
from upsize.schedule import Plan, Size

__all__ = ["check_ranks"]

# What a message names at most; there may be thousands of processes.
_NAMED = 4


class _Found(NamedTuple):
    """What a process has: equal everywhere, or sizes differ now or later."""

    digest: str
    total: int
    final: Size
    step: int
    # Batches per accumulation window; position in the window and in the epoch, and the
    # step that the epoch began with. Empty where the framework counts.
    place: tuple[int, ...]


def check_ranks(plan: Plan, step: int, counter: Counter | None = None) -> None:
    """Compare plan and position with those of the other processes, if there are any.

    Args:
        plan: The plan of this process.
        step: Steps that this process has done.
        counter: Of a counter of batches, its position is compared, too.

    Raises:
        ValueError: In every process, when they differ; shows the values of each.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    digest = hashlib.sha256(plan.model_dump_json().encode()).hexdigest()
    mine = _Found(digest, plan.total_steps, plan.final_size, step, _place(counter))
    others = [mine] * distributed.get_world_size()
    try:
        distributed.all_gather_object(others, mine)
    except RuntimeError as error:
        error.add_note(
            "upsize: every process compares its plan and its step with the others at "
            "its first batch, and at the first one after load_state_dict: take the "
            "batches through upsize and load the state in every process, and on GPUs "
            "call torch.cuda.set_device(local_rank) before"
        )
        raise
    if len(set(others)) > 1:
        raise ValueError(
            f"the processes would train at different sizes: {_each(others)}. Give each "
            "the same schedule, full size, accumulate= and number of batches "
            "(drop_last=True, or a DistributedSampler) or total_steps, and let each load "
            "the same checkpoint"
        )


def _place(counter: Counter | None) -> tuple[int, ...]:
    if not isinstance(counter, BatchCounter):
        return ()
    position = counter.position
    return counter.accumulate, position.window, position.batch, position.epoch_step


def _each(others: list[_Found]) -> str:
    """Return what each process has, those that have the same together."""
    ranks: dict[_Found, list[str]] = {}
    for rank, found in enumerate(others):
        ranks.setdefault(found, []).append(str(rank))
    is_later = len({found[:-1] for found in ranks}) == 1
    texts = []
    for found, names in ranks.items():
        texts.append(
            f"rank{'s' * (len(names) > 1)} {_first(names, ', ')} at step {found.step} "
            f"of {found.total} to {found.final}, plan {found.digest[:8]}"
        )
        if is_later:
            accumulate, window, batch, start = found.place
            texts[-1] += (
                f", batch {batch} of the epoch from step {start}, {window} of "
                f"{accumulate} in the accumulation window"
            )
    return _first(texts, "; ")


def _first(texts: list[str], between: str) -> str:
    """Join the first texts, and say how many more there are."""
    more = len(texts) - _NAMED
    return between.join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
