"""What the loaders of a Trainer ask for: the size and window of each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

from upsize.run import TrainingRun
from upsize.run._grown_plan import check_samples
from upsize.run._merging import Merging
from upsize.run._refusals import known_full_size
from upsize.schedule import Plan, Size
from upsize.transformers._merged import first_alone

__all__ = ["SessionSizes"]


class SessionSizes:
    """The sizes of a trainer's batches, at full size while it does not train.

    Args:
        session: Holds the run of the training.
    """

    def __init__(self, session: Any) -> None:
        self._source = session

    @property
    def final_size(self) -> Size:
        """The full size."""
        return known_full_size(self._source._options.full_size)

    @property
    def _is_training(self) -> bool:
        return bool(self._source._training)

    def current_run(self) -> TrainingRun:
        """Return the run that the trainer's state belongs to."""
        run: TrainingRun = self._source.current_run()
        return run

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch of an epoch."""
        ahead = self.current_run().sizes_ahead(batches) if self._is_training else ()
        return chain(ahead, repeat(self.final_size))

    @property
    def merging(self) -> Merging | None:
        """Which batches are merged; ``None``: none are."""
        rule = self._source._options.merge_rule
        if rule is None:
            return None
        draws = self._is_training and self._source._loader is not None
        # Of no run: a loader is made, or used elsewhere.
        return self.current_run().merging if draws else Merging(rule)

    def windows_ahead(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Yield size and window of the same batches; none is merged out of training."""
        rest = repeat((self.final_size, 1))
        if not self._is_training:
            return rest
        run = self.current_run()
        ahead = run.ahead.windows(batches)
        return chain(first_alone(ahead) if run.wants_dry_run else ahead, rest)

    @property
    def grown_plan(self) -> Plan | None:
        """The plan of a training whose batches grow, else ``None``."""
        grown = self._source._grown
        plan: Plan | None = (
            grown.plan if grown is not None and self._is_training else None
        )
        return None if plan is None or plan.grow is None else plan

    def batches_ahead(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Yield size and images of each batch of an epoch, in a plan that grows."""
        return self.current_run().ahead.batches(batches)

    def batches_of(self, samples: int) -> int:
        """Return the batches of the epoch that is drawn, in a plan that grows.

        Args:
            samples: Samples that the loader draws.

        Raises:
            ValueError: When the plan has been made for another number of them.
        """
        plan = self.grown_plan
        assert plan is not None  # only then it is asked
        check_samples(plan, samples)
        return int(self._source._grown.batches)

    def tell_at_end(self, tell: Callable[[], object]) -> None:
        """Call a function when training has ended without an exception."""
        if self._is_training:
            self.current_run().tell_at_end(tell)
