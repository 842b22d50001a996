"""The sizes of a plan, for a loader that is used without a training run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

from upsize.schedule import Plan, Size

__all__ = ["PlanSizes", "StreamSizes"]


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


class StreamSizes:
    """Tells the sizes of a plan for a stream: each pass is one of its epochs.

    How many samples a stream has is known at its end alone, so a pass that was left
    counts as well, and one that is longer stays at the size of the epoch's last step.

    Args:
        plan: The plan.
        batches: Batches in a pass over the loader; ``None``: not known.

    Raises:
        ValueError: When neither says how many steps an epoch has, or both say another
            number.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=64).plan(epochs=4, steps_per_epoch=3)
        >>> sizes = StreamSizes(plan, None)
        >>> [next(sizes.sizes_ahead(None)).width for _ in range(4)]
        [32, 32, 36, 64]
    """

    def __init__(self, plan: Plan, batches: int | None) -> None:
        steps = batches if plan.steps_per_epoch is None else plan.steps_per_epoch
        if steps is None:
            raise ValueError(
                "the stream has no length, and the plan does not say how many steps an "
                "epoch has: make it with epochs= and steps_per_epoch=, or give sized() "
                "the ProgressiveResize of the run"
            )
        if batches not in (None, steps):
            raise ValueError(
                f"the plan has {steps} steps in an epoch, but the loader has {batches} "
                f"batches: make the plan with steps_per_epoch={batches}"
            )
        self._plan, self._steps = plan, steps
        self._epoch = 0

    @property
    def final_size(self) -> Size:
        """The full size of the plan."""
        return self._plan.final_size

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:  # noqa: ARG002
        """Yield the sizes of the next pass, which is the next epoch."""
        first, self._epoch = self._epoch * self._steps, self._epoch + 1
        steps = chain(range(self._steps), repeat(self._steps - 1))
        return (self._plan.size_at(first + step) for step in steps)

    def draw_rest(self) -> None:
        """Refuse a pass that begins within an epoch.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "the stream was given a state and continues within an epoch, and a plan alone "
            "does not know where: give sized() the ProgressiveResize of the run, with its "
            "state loaded"
        )

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
