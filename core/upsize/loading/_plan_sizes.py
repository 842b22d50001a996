"""The sizes of a plan, for a loader that is used without a training run."""

from __future__ import annotations

from collections.abc import Iterator

from upsize.schedule import Plan, Size

__all__ = ["PlanSizes"]


class PlanSizes:
    """Tells the sizes of a plan, which counts one step per batch that is taken.

    Args:
        plan: The plan.
        prefetched: Batches that the loader draws before one is taken.

    Example:
        >>> from upsize.schedule import Ramp
        >>> sizes = PlanSizes(Ramp(final_size=64).plan(epochs=2, steps_per_epoch=3))
        >>> ahead = sizes.sizes_ahead(3)
        >>> next(ahead)
        Size(height=32, width=32)
        >>> _ = next(sizes.sizes_ahead(3))  # one batch of the pass before was taken
        >>> sizes.step
        1
    """

    def __init__(self, plan: Plan, prefetched: int = 0) -> None:
        self._plan, self._prefetched = plan, prefetched
        self.step = 0
        self._epoch: int | None = None
        self._pass: _Pass | None = None

    @property
    def final_size(self) -> Size:
        """The full size of the plan."""
        return self._plan.final_size

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the sizes of the next pass, which starts after the batches taken."""
        if batches is None:
            raise ValueError(
                "the batch sampler has no length, which tells a plan where an epoch "
                "starts: give sized() the ProgressiveResize of the run instead"
            )
        if self._epoch is not None:
            self.step = self._epoch * batches
        elif self._pass is not None:
            self.step += self._pass.taken(self._prefetched)
        self._epoch = None
        self._pass = _Pass(batches)
        return self._sizes(self._pass, self.step)

    def _sizes(self, current: _Pass, step: int) -> Iterator[Size]:
        while True:
            size = self._plan.size_at(step + current.asked)
            current.asked += 1
            yield size

    def set_epoch(self, epoch: int) -> None:
        """Start the next pass at ``epoch``, counted from 0."""
        self._epoch = epoch


class _Pass:
    """How often a loader has asked for a batch in a pass over ``batches``."""

    def __init__(self, batches: int) -> None:
        self.batches, self.asked = batches, 0

    def taken(self, prefetched: int) -> int:
        """Return how many batches were taken from the loader.

        A loader asks once for each batch that is prefetched, and again when one is
        taken, also after the last. A sampler between asks once after the last.
        """
        if self.asked == self.batches + 1:
            return self.batches
        return min(max(0, self.asked - prefetched), self.batches)
