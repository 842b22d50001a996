"""Batches of indices that know the size of their step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from torch.utils.data import BatchSampler

from upsize.schedule import Plan, Size

__all__ = ["PlanClock", "Progress", "SizedBatch", "SizedBatchSampler"]


class Progress(Protocol):
    """What tells the sizes of the batches to come."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        ...

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch that a loader is about to draw, without end.

        Args:
            batches: How many there are in a pass over the loader, if that is known.
        """
        ...

    def expect_sized(self) -> None:
        """Be told that the loader makes images at these sizes."""
        ...


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

    The size of a batch is settled when it is drawn, however long before its step that
    is. Other attributes are those of the batch sampler inside.

    Args:
        batch_sampler: Any iterable of lists of indices.
        progress: Tells the sizes.
    """

    def __init__(self, batch_sampler: Any, progress: Progress) -> None:
        self.batch_sampler, self.progress = batch_sampler, progress

    def __iter__(self) -> Iterator[list[Any]]:
        full = self.progress.plan.final_size
        sizes = self.progress.sizes_ahead(_length(self.batch_sampler))
        for indices in self.batch_sampler:
            yield SizedBatch(indices, next(sizes), full)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __getattr__(self, name: str) -> Any:
        if name == "batch_sampler":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.batch_sampler, name)

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on to whatever shuffles inside, and to a plan's own clock."""
        for each in (self.progress, *_samplers(self.batch_sampler)):
            set_epoch = getattr(each, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)


class PlanClock:
    """Tells the sizes of a plan by the passes over a loader: one step per batch.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._epoch = 0

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
            yield self.plan.size_at(step)
            step += 1

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be that of ``epoch``, counted from 0."""
        self._epoch = epoch

    def expect_sized(self) -> None:
        """Nothing: there is no resizer."""


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
