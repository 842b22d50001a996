"""Batches of indices that know the size of their step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch.utils.data import BatchSampler

from upsize.run._size_source import SizeSource
from upsize.schedule import Plan, Size

__all__ = ["PlanSizes", "SizedBatch", "SizedBatchSampler"]


class SizedBatch(list[Any]):
    """The indices of a batch, the size of its step and the full size.

    A list like any other to a dataset that does not know it; it goes to the workers.
    """

    def __init__(self, indices: Iterable[Any], size: Size, full: Size) -> None:
        super().__init__(indices)
        self.size, self.full = size, full

    def __reduce__(
        self,
    ) -> tuple[Callable[..., SizedBatch], tuple[list[Any], Size, Size]]:
        return SizedBatch, (list(self), self.size, self.full)


class SizedBatchSampler(BatchSampler):
    """Gives each batch of another batch sampler the size of the step that takes it.

    A batch gets its size when it is drawn, however long before its step that is. Other
    attributes are those of the batch sampler inside.

    Args:
        batch_sampler: Any iterable of lists of indices.
        size_source: Tells the sizes.
    """

    def __init__(self, batch_sampler: Any, size_source: SizeSource) -> None:
        self.batch_sampler, self.size_source = batch_sampler, size_source

    def __iter__(self) -> Iterator[list[Any]]:
        full = self.size_source.final_size
        sizes = self.size_source.sizes_ahead(_length(self.batch_sampler))
        for indices in self.batch_sampler:
            yield SizedBatch(indices, next(sizes), full)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __getattr__(self, name: str) -> Any:
        if name == "batch_sampler":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.batch_sampler, name)

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on to the samplers inside, and to the sizes of a plan."""
        for each in (self.size_source, *_samplers(self.batch_sampler)):
            set_epoch = getattr(each, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)


class PlanSizes:
    """Tells the sizes of a plan, which counts one step per batch.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._epoch = 0

    @property
    def final_size(self) -> Size:
        """The full size of the plan."""
        return self._plan.final_size

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the sizes of the next pass, which is the next epoch."""
        if batches is None:
            raise ValueError(
                "the batch sampler has no length, which tells a plan where an epoch "
                "starts: give sized() the ProgressiveResize of the run instead"
            )
        step = self._epoch * batches
        self._epoch += 1
        while True:
            yield self._plan.size_at(step)
            step += 1

    def set_epoch(self, epoch: int) -> None:
        """Start the next pass at ``epoch``, counted from 0."""
        self._epoch = epoch


def _length(batches: Any) -> int | None:
    try:
        return len(batches)
    except TypeError:  # of a generator
        return None


def _samplers(outer: Any) -> Iterator[Any]:
    """Yield a batch sampler and the samplers in it."""
    while outer is not None:
        yield outer
        inner = getattr(outer, "batch_sampler", None)
        outer = getattr(outer, "sampler", None) if inner is None else inner
