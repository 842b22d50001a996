"""What loaders are told of the batches that they are about to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from upsize.resize import Resizer
from upsize.run._batch_reader import BatchReader
from upsize.run._planned_size import sizes_of
from upsize.run._position import Counter
from upsize.run._run_plan import RunPlan
from upsize.schedule import Plan, Size

__all__ = ["SizesAhead"]

Told = TypeVar("Told")


class SizesAhead:
    """Tells loaders the size of each batch to come, without end.

    The plan is asked once in a pass. Until the epoch ends, the run then expects batches
    that may be small.

    Args:
        planned: The plan of the run.
        counter: Says which step each batch is of.
        resizer: Resizes the batches, or cuts windows.
        reader: Reads the batches, once they are made.
    """

    def __init__(
        self, planned: RunPlan, counter: Counter, resizer: Resizer, reader: BatchReader
    ) -> None:
        self._planned, self._counter = planned, counter
        self._resizer, self._reader = resizer, reader

    def sizes(self, batches: int | None) -> Iterator[Size]:
        """Return the size of each batch; none, while the full size is not known.

        Args:
            batches: Batches in a pass over the loader; ``None``: not known.
        """
        self._reader.is_sized = True
        if self._planned.plan is None:
            return iter(())
        steps = map(self._planned.placed, self._counter.ahead(batches))
        return self._told(map(self._size_at(), steps))

    def windows(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Return size and accumulation window of each batch, for loaders that merge.

        Args:
            batches: See :meth:`sizes`.

        Returns:
            The size, and how many batches are left in the window, the batch included; 0:
            it is drawn and not trained on.
        """
        counter: Any = self._counter
        size_at, placed = self._size_at(), self._planned.placed
        ahead = counter.windows_ahead(batches)
        return self._told((size_at(placed(step)), left) for step, left in ahead)

    def batches(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Return size and images of each batch, for plans that know their samples.

        Args:
            batches: See :meth:`sizes`.
        """
        size_at, plan = self._size_at(), self._plan
        steps = map(self._planned.placed, self._counter.ahead(batches))
        return self._told((size_at(step), plan.batch_at(step)) for step in steps)

    @property
    def _plan(self) -> Plan:
        assert self._planned.plan is not None  # loaders know the full size
        return self._planned.plan

    def _size_at(self) -> Callable[[int], Size]:
        """Return what gives the size of a step."""
        self._planned.step()  # finds the step of a resumed run, and may change the plan
        return sizes_of(self._plan, self._resizer)

    def _told(self, ahead: Iterator[Told]) -> Iterator[Told]:
        for told in ahead:
            # For each batch: the pass of some loaders goes on through all epochs.
            self._reader.is_sized = True
            yield told
