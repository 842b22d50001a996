"""How many samples an epoch of a loader has, where that is known exactly."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DistributedSampler, IterableDataset

from upsize.run._batches import length_of

__all__ = ["epoch_samples", "plan_samples"]


def plan_samples(
    samples: int | None, batch: int | None, *, steps: int | None, accumulate: int
) -> dict[str, int]:
    """Return what a plan is to know of its samples, as arguments of ``Schedule.plan``.

    Args:
        samples: Samples of an epoch in one process; ``None``: not known.
        batch: Samples of a batch of the loader; ``None``: not known.
        steps: Steps in an epoch, by which the samples are checked.
        accumulate: Batches in a step.

    Returns:
        Nothing where a number is not known, or they contradict each other.

    Example:
        >>> plan_samples(20, 4, steps=3, accumulate=2)
        {'samples_per_epoch': 20, 'batch_size': 8}
        >>> plan_samples(20, 4, steps=4, accumulate=2)
        {}
    """
    if not samples or not batch or steps != -(-samples // (batch * accumulate)):
        return {}
    return {"samples_per_epoch": samples, "batch_size": batch * accumulate}


def epoch_samples(
    loader: Any, batches: int, processes: int = 1
) -> tuple[int | None, int | None]:
    """Return the samples of an epoch in one process, and those of a batch.

    Args:
        loader: A loader; what tells its samples is a ``batch_sampler`` like that of
            torch, around a ``sampler`` with a length.
        batches: Batches of an epoch: fewer than the loader has, where a run ends its
            epochs early.
        processes: Processes of the run. With several of them, only a
            ``DistributedSampler`` gives all of them the same number.

    Returns:
        ``None`` for what is not known: of streams, whose last batches may be short.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> loader = DataLoader(range(10), 4)
        >>> epoch_samples(loader, 3), epoch_samples(loader, 2)
        ((10, 4), (8, 4))
        >>> epoch_samples([[1, 2], [3]], 2)
        (None, None)
    """
    drawn = getattr(loader, "batch_sampler", None)
    sampler, batch = getattr(drawn, "sampler", None), getattr(drawn, "batch_size", None)
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return None, None
    if processes > 1 and not isinstance(sampler, DistributedSampler):
        return None, None
    samples = length_of(sampler)
    if samples is None or not isinstance(batch, int):
        return None, None
    return min(samples, batches * batch), batch
