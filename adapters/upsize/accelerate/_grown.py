"""Prepared loaders whose batches grow: the samples of one process, cut by the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accelerate.data_loader import BatchSamplerShard, DataLoaderDispatcher
from torch.utils.data import BatchSampler, IterableDataset

from upsize.accelerate._loaders import prepared_in
from upsize.loading._grown import samples_of
from upsize.loading._sized import copy_with
from upsize.run._batches import length_of
from upsize.run._counter import BatchCounter
from upsize.run._epoch_samples import epoch_samples
from upsize.run._grown_counter import check_grow, grown_counter
from upsize.run._options import Options
from upsize.schedule import Grow
from upsize.schedule._run import run_length
from upsize.schedule._warn import warn

__all__ = [
    "grown_counter_of",
    "known_samples",
    "rank_loader",
    "samples_in",
    "warn_of_schedulers",
]


class _RankIndices:
    """The indices of one process, one by one.

    Args:
        shard: Gives its batches.
    """

    def __init__(self, shard: Any) -> None:
        self.batch_sampler = shard

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batch_sampler:
            yield from batch

    def __len__(self) -> int:
        found = _samples(self.batch_sampler)
        assert isinstance(found, tuple)  # or there would be no plan
        return found[0]


def grown_counter_of(
    accelerator: Any,
    loader: Any,
    options: Options,
    grow: Grow,
    epochs: int | None,
    total_steps: int | None,
) -> BatchCounter:
    """Return the counter of a run whose batch grows.

    Args:
        accelerator: The accelerator of the run.
        loader: The training loader.
        options: What the user asks for.
        grow: How the batch grows.
        epochs: Length of the run in epochs of the loader.
        total_steps: Refused: how many steps there are follows from the batch.

    Raises:
        TypeError: When ``grow`` is another batch size.
        ValueError: When batches cannot grow, or the loader does not tell its samples.

    Warns:
        UserWarning: See :func:`warn_of_schedulers`.
    """
    check_grow(grow, options, epochs, accelerator.gradient_accumulation_steps)
    samples, batch = samples_in(prepared_in(loader))
    length = run_length(epochs, -(-samples // batch), total_steps)
    grow = grow.with_batch(batch)
    warn_of_schedulers(accelerator, grow)
    return grown_counter(options, length, samples, grow)


def known_samples(
    prepared: Any, batches: int | None, processes: int
) -> tuple[int | None, int | None]:
    """Return the same for a constant batch; ``None`` for what a loader does not tell.

    Args:
        prepared: A prepared loader, or ``None``.
        batches: Its batches; ``None``: it has no length.
        processes: Processes of the run.
    """
    if not isinstance(getattr(prepared, "batch_sampler", None), BatchSamplerShard):
        return epoch_samples(prepared, batches or 0, processes)
    try:
        return samples_in(prepared)
    except ValueError:
        return None, None


def samples_in(prepared: Any) -> tuple[int, int]:
    """Return the samples of an epoch in one process, and those of a batch.

    Args:
        prepared: A prepared loader; ``None``: the loader is another iterable.

    Raises:
        ValueError: When the loader does not tell, or processes have different numbers.
    """
    why = None
    if prepared is None:
        why = "the loader is not prepared"
    elif isinstance(prepared, DataLoaderDispatcher):
        why = (
            "one process makes the batches of all: give "
            "DataLoaderConfiguration(dispatch_batches=False)"
        )
    elif isinstance(prepared.dataset, IterableDataset):
        why = "the dataset is a stream, of which a process does not know its share"
    else:
        found = _samples(prepared.batch_sampler)
        if isinstance(found, tuple):
            return found
        why = found
    raise ValueError(
        f"batch_size=Grow(...) counts the samples of one process, and {why}; or train "
        "with a constant batch"
    )


def _samples(drawn: Any) -> tuple[int, int] | str:
    """Return what :func:`samples_in` does, or why it is not known."""
    inner = drawn.batch_sampler if isinstance(drawn, BatchSamplerShard) else drawn
    batch = getattr(inner, "batch_size", None)
    total = length_of(getattr(inner, "sampler", None))
    if not batch or total is None:
        return f"a {type(inner).__name__} does not tell its samples and their batch"
    if inner is drawn:
        samples = samples_of(inner)
        assert samples is not None  # its sampler has a length
        return (samples, batch) if samples else _no_batch(total, batch)
    # Accelerate completes the last batches, or drops them.
    processes, is_split = drawn.num_processes, drawn.split_batches
    each = batch // processes if is_split else batch
    if not (drawn.even_batches or drawn.drop_last) and total % (each * processes):
        return "with even_batches=False, processes have different numbers of them"
    return (len(drawn) * each, each) if len(drawn) else _no_batch(total, batch)


def _no_batch(samples: int, batch: int) -> str:
    return f"its {samples} samples make no whole batch of {batch}"


def rank_loader(base: Any) -> Any:
    """Return the loader inside a prepared one, with a batch sampler of torch.

    Args:
        base: A loader that takes its batches from the share of one process.
    """
    drawn = base.batch_sampler
    if not isinstance(drawn, BatchSamplerShard):
        return copy_with(base, batch_size=drawn.batch_size)
    inner = drawn.batch_sampler
    if type(inner).__iter__ is not BatchSampler.__iter__:
        return copy_with(base, batch_sampler=inner)  # which is refused by its name
    _, batch = samples_in(base)
    indices = _RankIndices(drawn)
    return copy_with(
        base, batch_sampler=BatchSampler(indices, batch, False), batch_size=batch
    )


def warn_of_schedulers(accelerator: Any, grow: Grow) -> None:
    """Warn where the learning rate is to follow the batch, and steps are not the plan's.

    Args:
        accelerator: The accelerator.
        grow: How the batch grows.

    Warns:
        UserWarning: When a prepared scheduler makes several steps with each step of the
            optimizer.
    """
    processes = accelerator.num_processes
    if grow.lr is None or processes == 1:
        return
    if any(not scheduler.split_batches for scheduler in accelerator._schedulers):
        warn(
            f"a prepared scheduler makes {processes} steps with each optimizer step, one "
            "for each process, and plan.lr_factor(step) counts optimizer steps: give it "
            f"step // {processes}, or leave the scheduler out of accelerator.prepare"
        )
