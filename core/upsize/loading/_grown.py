"""Batches of indices that are cut again, so that they grow while images are small.

The plan says how many images each batch has; all indices are drawn once, in the order of
the batch sampler.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler

from upsize.loading._batches import (
    COUNT,
    SizedBatch,
    SizedBatchSampler,
    SizedDraws,
    count_of,
)
from upsize.run._batches import length_of
from upsize.run._epochs import wrong_samples
from upsize.schedule import Plan

__all__ = ["GrownBatchSampler", "check_grown", "check_grown_stream", "samples_of"]

_REST = "upsize_rest"
_SAMPLES = "upsize_samples"


def check_grown(loader: Any, plan: Plan) -> None:
    """Refuse a loader whose batches cannot follow those of a plan that grows.

    Args:
        loader: A ``DataLoader`` of a map-style dataset.
        plan: The plan.

    Raises:
        ValueError: Saying why, and what to do instead.
    """
    inner = loader.batch_sampler
    if not _is_plain(inner):
        raise ValueError(
            f"batch_size=Grow(...) cuts the indices of an epoch into batches of its own, "
            f"but those of a {type(inner).__name__} may belong together. If they need not "
            "stay together, give the DataLoader batch_size= and a sampler= with the order "
            "of the indices, instead of batch_sampler="
        )
    _check_batch(loader, plan)
    samples = samples_of(inner)
    if samples is None:
        raise ValueError(
            f"batch_size=Grow(...) counts samples, and the {type(inner.sampler).__name__} "
            "of the loader has no length: give it a __len__"
        )
    epoch = plan.samples_per_epoch
    assert epoch is not None  # of a plan that grows
    if samples > epoch:
        raise ValueError(wrong_samples(samples, epoch))


def check_grown_stream(loader: Any, plan: Plan, outer: Any) -> None:
    """Refuse a loader of a stream likewise.

    Args:
        loader: A ``DataLoader`` of an iterable dataset.
        plan: The plan.
        outer: The loader, or a pipeline around it.

    Raises:
        ValueError: Saying why, and what to do instead.
    """
    if loader.batch_sampler is None or outer is not loader:
        raise ValueError(
            "batch_size=Grow(...) changes how many samples a batch has, and here the "
            "stream makes its batches by itself: give the DataLoader single samples and "
            "a batch_size, or a constant batch_size to ProgressiveResize"
        )
    if loader.num_workers > 1:
        raise ValueError(
            f"batch_size=Grow(...) plans every batch of an epoch, and the shard of each of "
            f"{loader.num_workers} workers ends with a short one: use num_workers=1, a "
            "map-style dataset, or a constant batch_size"
        )
    _check_batch(loader, plan)
    samples, epoch = length_of(loader.dataset), plan.samples_per_epoch
    if samples is not None and loader.drop_last:
        samples -= samples % loader.batch_size
    if samples not in (None, epoch):
        raise ValueError(wrong_samples(samples, epoch))


def _check_batch(loader: Any, plan: Plan) -> None:
    if loader.batch_size != plan.batch_size:
        raise ValueError(
            f"the batch at full size is {plan.batch_size} in Grow(..., "
            f"batch={plan.batch_size}), and batch_size={loader.batch_size} of the loader: "
            "make them equal"
        )


def samples_of(batch_sampler: Any) -> int | None:
    """Return the samples that a batch sampler of torch draws; ``None``: not known.

    Example:
        >>> [samples_of(BatchSampler(range(10), 4, drop)) for drop in (False, True)]
        [10, 8]
    """
    samples = length_of(batch_sampler.sampler)
    if samples is not None and batch_sampler.drop_last:
        samples -= samples % batch_sampler.batch_size
    return samples


def _is_plain(batch_sampler: Any) -> bool:
    """Return whether a batch sampler cuts the indices of a sampler as they come."""
    kind = type(batch_sampler)
    own = getattr(kind, "__iter__", None) is BatchSampler.__iter__
    return own or kind.__module__.startswith("torchdata.")


class GrownBatchSampler(SizedBatchSampler):
    """Draws the indices of a batch sampler in the batches of a plan that grows.

    It has as many batches as the epoch that comes next.

    Args:
        batch_sampler: One of torch.
        size_source: Tells size and images of each batch.
    """

    __slots__ = ()

    def __len__(self) -> int:
        length: int = self._upsize_source.batches_of(samples_of(self._upsize_inner))
        return length

    def _begin(self, done: int) -> SizedDraws:
        return _GrownDraws(
            iter(self._upsize_inner), self._upsize_source, None, done, self
        )


class _GrownDraws(SizedDraws):
    """A pass over the indices of an epoch, cut by the plan."""

    __slots__ = ("_upsize_plan", "_upsize_rest", "_upsize_sampler", "_upsize_taken")

    def __init__(self, *args: Any) -> None:
        *args, sampler = args  # type: ignore[assignment]
        super().__init__(*args)
        self._upsize_set(_upsize_sampler=sampler, _upsize_plan=None)
        self._upsize_set(_upsize_rest=[], _upsize_taken=0)

    def __next__(self) -> SizedBatch:
        size, images = next(self._ahead_of_all())
        indices: list[Any] = self._upsize_rest
        while len(indices) < images:
            more = next(self._upsize_inner, None)
            if more is None:
                break
            indices.extend(more)
        if not indices:
            raise StopIteration
        batch, rest = indices[:images], indices[images:]
        self._upsize_set(_upsize_rest=rest, _upsize_count=self._upsize_count + 1)
        self._upsize_set(_upsize_taken=self._upsize_taken + len(batch))
        return SizedBatch(batch, size, self._upsize_source.final_size)

    def _ahead_of_all(self) -> Iterator[Any]:
        # At the first batch: a loader makes passes that it does not use.
        if self._upsize_plan is None:
            length = len(self._upsize_sampler)
            ahead = self._upsize_source.batches_ahead(length)
            self._upsize_set(_upsize_plan=islice(ahead, self._upsize_count, None))
        found: Iterator[Any] = self._upsize_plan
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return the state after what was drawn."""
        state_dict = getattr(self._upsize_inner, "state_dict", None)
        return ({} if state_dict is None else state_dict()) | {
            COUNT: self._upsize_count,
            _REST: list(self._upsize_rest),
            _SAMPLES: self._upsize_taken,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after what was drawn."""
        inner, count = self._upsize_inner, count_of(state, self._upsize_inner)
        rest, taken = list(state[_REST]), state[_SAMPLES]
        if hasattr(inner, "load_state_dict"):
            inner.load_state_dict(state)
        else:
            left = taken + len(rest)
            while left > 0:
                left -= len(next(inner))
        self._upsize_set(_upsize_count=count, _upsize_plan=None)
        self._upsize_set(_upsize_rest=rest, _upsize_taken=taken)
