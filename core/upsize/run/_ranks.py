"""What the processes of a run must agree on."""

from __future__ import annotations

import hashlib

from torch import distributed

from upsize.schedule import Plan

__all__ = ["check_ranks"]


def check_ranks(plan: Plan, step: int) -> None:
    """Compare plan and step with those of the other processes, if there are any.

    Args:
        plan: The plan of this process.
        step: Steps that this process has done.

    Raises:
        ValueError: In every process, when they differ; shows the values of each.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    digest = hashlib.sha256(plan.model_dump_json().encode()).hexdigest()
    mine = (digest, plan.total_steps, step)
    others: list[tuple[str, int, int]] = [mine] * distributed.get_world_size()
    distributed.all_gather_object(others, mine)
    if len(set(others)) > 1:
        each = "; ".join(
            f"rank {rank} at step {done} of {total}, plan {name[:8]}"
            for rank, (name, total, done) in enumerate(others)
        )
        raise ValueError(
            f"the processes would train at different sizes: {each}. Give each the same "
            "number of batches (drop_last=True, or a DistributedSampler) or the same "
            "total_steps, and let each load the same checkpoint"
        )
