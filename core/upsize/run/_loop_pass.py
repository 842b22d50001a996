"""The batches of a loop: drawn, resized or merged, and counted when they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from upsize.run._batches import innermost, length_of
from upsize.run._counter import BatchCounter
from upsize.run._epochs import EpochLengths
from upsize.run._loop_sizes import LoopSizes
from upsize.run._merge import micro_batches
from upsize.run._merged_length import merged_length, plain_batches
from upsize.run._training_run import TrainingRun
from upsize.schedule._warn import warn

__all__ = ["LoopPasses"]

_NOT_WEIGHED = (
    "merge= has made one batch of several, but the loop did not read loss_weight: a mean "
    "loss must count as often as the batches in it, so write (loss * "
    "resize.loss_weight).backward() instead of loss / accumulate"
)


class LoopPasses:
    """Passes of a loop over its loaders, each of which is an epoch or its rest.

    Args:
        run: The training run, which resizes and merges.
        counter: Counts the batches.
        source: Tells loaders their sizes. Where batches grow, only a loader that has
            asked for them may be passed over.
        is_weighed: Whether somebody else weighs the losses of merged batches.
    """

    def __init__(
        self,
        run: TrainingRun,
        counter: BatchCounter,
        source: LoopSizes,
        *,
        is_weighed: bool,
    ) -> None:
        self._run, self._counter, self._source = run, counter, source
        self._lengths = EpochLengths(counter)
        self._is_weighed = is_weighed
        # Batches of the pass that are left with the current one; None: not known.
        self._left: int | None = None
        # Whether a window ended with the last batch of a pass that is over.
        self._ended: bool | None = None

    @property
    def loss_weight(self) -> float:
        """The share of its accumulation window that the current batch holds."""
        self._is_weighed = True
        return self._counter.taken / self._counter.accumulate

    @property
    def ends_window(self) -> bool:
        """Whether an accumulation window ends with the current batch."""
        if self._ended is not None:
            return self._ended
        return self._counter.ends_window(self._left)

    def leave(self) -> None:
        """Note that batches come one by one now, without a loader."""
        self._left = self._ended = None

    def check_drawn(self) -> None:
        """Refuse batches of a loader that does not let them grow.

        Raises:
            ValueError: When the plan has batches that grow.
        """
        if not self._source.is_drawn:
            raise ValueError(
                "batch_size=Grow(...) changes how many images a batch has, which only "
                "the batch sampler of a sized loader can do: write loader = "
                "sized(loader, resize), or give a constant batch_size"
            )

    def length(self, loader: Iterable[Any]) -> int | None:
        """Return the batches of the next pass over a loader; ``None``: not known."""
        merging, plan = self._run.merging, self._run.plan
        if merging is None:
            return length_of(loader)
        known = plain_batches(loader)
        if known is None or not self._counter.windows.by_epochs:
            return None
        assert plan is not None  # known before a loop begins
        length, images, is_short = known
        ahead = self._counter.windows_ahead(length)
        windows = ((plan.size_at(each.step), each.left) for each in ahead)
        rule, full = merging.rule, plan.final_size
        return merged_length(
            length, windows, rule, full, images, last_is_short=is_short
        )

    def over(self, loader: Iterable[Any], end: Callable[[], object]) -> Iterator[Any]:
        """Yield the batches of a pass over a loader.

        Args:
            loader: The loader.
            end: Called when the pass has ended by itself.
        """
        run, counter, length = self._run, self._counter, length_of(loader)
        counter.settle()
        planned = self._lengths.begin(length)
        inside = innermost(loader)
        run.draw_from(inside if hasattr(inside, "dataset") else None)
        self._left, self._ended = length, None
        left = length if counter.accumulate > 1 else None  # else of no matter
        check, train, is_drawn = self._lengths.check, run.train, False
        with counter.seen.watching():
            if run.merging is not None:
                yield from self._merged(loader, length, planned)
                loader = ()
            # Most loops train on most batches here, so this costs as little as it can.
            for batch in loader:
                if not is_drawn:
                    self.check_drawn()
                    is_drawn = True
                counter.settle()
                check(length, planned)
                resized = train(batch)
                counter.take()
                try:
                    yield resized
                except GeneratorExit:
                    self._break_off()
                    raise
                if left is not None:
                    self._left = left = left - 1
            self._ended = self.ends_window
            counter.settle(at_end=True)
        if not run.planned.is_agreed:  # no batch came, and the other processes wait
            run.planned.agree()
        check(length, planned)
        self._lengths.end(planned)
        run.end_epoch()
        end()

    def _merged(
        self, loader: Iterable[Any], length: int | None, planned: int
    ) -> Iterator[Any]:
        """Yield the batches of a loader, resized, and several as one."""
        counter, merging = self._counter, self._run.merging
        assert merging is not None

        def settle() -> None:
            counter.settle()
            self._lengths.check(length, planned)

        def window(drawn: int) -> int:
            return counter.left(None if length is None else length - drawn)

        taken = 0
        for resized, batches in micro_batches(loader, self._run, settle, window):
            counter.take(batches)
            self._left = None if length is None else length - taken
            try:
                yield resized
            except GeneratorExit:
                self._break_off()
                if not isinstance(loader, Iterator):
                    merging.begin()  # what is left, nobody takes
                raise
            taken += batches
            if batches > 1 and not self._is_weighed:
                self._is_weighed = True
                warn(_NOT_WEIGHED)

    def _break_off(self) -> None:
        """End a pass in the middle of it."""
        self._counter.leave()
        self._run.end_epoch()
