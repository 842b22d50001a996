"""The batches of a run, as they are read: types found, and made small or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upsize.resize import Resizer
from upsize.run._lost_types import LostTypes, Reading
from upsize.run._made_again import check_sizes_asked, is_sized
from upsize.run._prepared import PreparedBatches
from upsize.run._run_plan import RunPlan
from upsize.schedule import Size

__all__ = ["BatchReader"]


class BatchReader:
    """Reads batches, and resizes what their loader has not made small.

    Args:
        resizer: Finds and resizes the images.
        planned: The plan of the run.
    """

    def __init__(self, resizer: Resizer, planned: RunPlan) -> None:
        self._planned = planned
        self._types = LostTypes(resizer)
        self._prepared = PreparedBatches()
        #: Whether the current loader makes images at the size of their step.
        self.is_sized = False
        # Only a sized loader asks for the sizes of each pass; a pipeline has them all.
        self._stays_sized = False
        # Whether the dataset belongs to a sized loader, whatever the loader is.
        self._has_sized_data = False

    def draw_from(
        self, loaders: Any, arrange: Callable[[Any], Any] | None = None
    ) -> None:
        """See :meth:`~upsize.run.TrainingRun.draw_from`."""
        if self._types.expect(loaders, arrange):
            self._prepared = PreparedBatches()
            self._has_sized_data = any(map(is_sized, self._types.datasets))

    def expect_sizes(self) -> None:
        """Expect batches at the size of their step, whatever they come from."""
        self.is_sized = self._stays_sized = True

    def end_epoch(self) -> None:
        """End a pass over a loader: the next batches may come from another one."""
        self.is_sized = self._stays_sized

    def read(self, batch: Any) -> Reading:
        """Return a training batch as the resizer reads it, with the types it has lost."""
        return self._types.read(batch, self._full_of_lists(), self._planned.plan)

    def read_other(self, batch: Any, full: Size) -> Reading:
        """Return the batch of another loader, whose lists are at full size."""
        return self._types.read_other(batch, full)

    def lost_types(self, batch: Any, images: Size) -> dict[Any, Any]:
        """Return the values of a batch that have lost their types, with their types.

        For ways of training that resize the images themselves.

        Args:
            batch: The batch, as it is resized.
            images: Size of its images.
        """
        self._types.learn(batch, self._full_of_lists(), self._planned.plan)
        typed = self._types.typed(batch)
        self._types.place(typed, images)
        return typed

    def resized(self, batch: Any, found: Any, size: Size) -> Any:
        """Return a batch at a size, with what its loader has not made small.

        Args:
            batch: The batch, which is returned if nothing of it changes.
            found: What a resizer has read.
            size: The size of the step.
        """
        step = self._planned.step()
        if not self.is_sized:
            return found.at(size, step=step)
        plan = self._planned.plan
        assert plan is not None  # or no loader would have sizes
        return self._prepared.resized(batch, found, size, plan.final_size, step)

    def matched(self, part: Any, batch: Any) -> Any:
        """Return samples of a sized loader at the size of a batch, to complete it.

        Args:
            part: A batch of those samples.
            batch: The batch.
        """
        return self.resized(part, self.read(part), self.read(batch).size)

    def check_asked(self, images: Size, size: Size, full: Size) -> None:
        """Refuse images that a sized loader should have made smaller.

        See :func:`~upsize.run._made_again.check_sizes_asked`.
        """
        if self._has_sized_data and not self.is_sized:
            check_sizes_asked(images, size, full)

    def _full_of_lists(self) -> Size | None:
        """Return the size that lists of images stand for; ``None``: their own."""
        plan = self._planned.plan
        return None if self.is_sized or plan is None else plan.final_size
