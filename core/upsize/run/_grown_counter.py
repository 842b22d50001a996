"""The steps of a loop whose batch grows: its epochs have as many as the plan says."""

from __future__ import annotations

import warnings

from upsize.run._counter import BatchCounter
from upsize.run._epochs import wrong_samples
from upsize.run._options import Options
from upsize.run._position import Position, advance
from upsize.schedule import Grow, Plan
from upsize.schedule._run import RunLength
from upsize.schedule._shown import shown

__all__ = ["GrownCounter", "batches_of", "check_grow", "grown_counter"]


class GrownCounter(BatchCounter):
    """Counts the batches of a plan in which epochs have different numbers of them.

    Args:
        plan: A plan that knows its samples.

    Example:
        >>> from upsize.schedule import Grow, Ramp
        >>> counter = GrownCounter(
        ...     Ramp(final_size=64, increase_by=32).plan(
        ...         epochs=2, samples_per_epoch=20, batch_size=Grow(8, batch=2)
        ...     )
        ... )
        >>> counter.batches, counter.batches_from(3), counter.total_steps
        (3, 10, 13)
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        super().__init__(plan.total_steps, 1, None, by_epochs=True)
        plain = plan.plain or plan
        self.length = {
            "total_steps": plain.total_steps,
            "steps_per_epoch": None,
            "samples_per_epoch": plain.samples_per_epoch,
            "batch_size": plan.grow or plain.batch_size,
        }

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in an epoch; ``None``: not always the same."""
        return self._plan.steps_per_epoch

    def follow(self, plan: Plan) -> None:
        """Count the epochs of another plan from now on."""
        self._plan, self.total_steps = plan, plan.total_steps

    def batches_from(self, epoch_step: int) -> int:
        """Return the batches in an epoch, by the step that it begins with."""
        plan = self._plan
        epoch = plan.epoch_at(epoch_step)
        assert epoch is not None  # the plan knows its samples
        return plan.epoch_start(int(epoch) + 1) - plan.epoch_start(int(epoch))

    def next(self) -> Position:
        """Return the position after the current batch."""
        return advance(self.position, 1, self.batches_from(self.position.epoch_step))

    def _step_of_skipped(self, number: int, position: Position) -> int:
        # It is cut as it was before.
        return position.epoch_step + number

    def _pass_after(self, batches: int | None, position: Position) -> int | None:
        return None if batches is None else self.batches_from(position.epoch_step)


def check_grow(
    grow: object, epochs: int | None, accumulate: int, merge: object
) -> None:
    """Refuse what does not go with a batch that grows.

    Args:
        grow: How the batch grows.
        epochs: Length of the run in epochs; ``None``: in steps.
        accumulate: Batches in an accumulation window.
        merge: What the user gave.

    Raises:
        TypeError: When ``grow`` is another batch size.
        ValueError: When gradients are accumulated, batches are merged, or the run is not
            counted in epochs.
    """
    if not isinstance(grow, Grow):
        raise TypeError(
            f"batch_size must be a Grow, not {shown(grow)}: the loader has the constant "
            "batch, so leave it out, or give Grow(256) for up to 256 small images in one"
        )
    if merge is not False and accumulate == 1:
        raise ValueError(
            f"batch_size=Grow(...) and merge={shown(merge)} both make batches of small "
            "images larger: leave out merge=, or accumulate gradients in the place of "
            "Grow(...)"
        )
    if accumulate != 1:
        raise ValueError(
            f"batch_size=Grow(...) and accumulate={accumulate} both make batches of small "
            "images larger: give merge=True beside accumulate, which changes no optimizer "
            "step, or leave out accumulate"
        )
    if epochs is None:
        raise ValueError(
            "total_steps counts steps, and how many there are follows from a batch that "
            "grows: give epochs= beside batch_size=Grow(...)"
        )


def grown_counter(
    options: Options, length: RunLength, samples: int | None, grow: Grow
) -> GrownCounter:
    """Return the counter of a run whose batch grows.

    Args:
        options: What the user asks for.
        length: Length of the run with constant batches.
        samples: Samples in an epoch.
        grow: How the batch grows.
    """
    with warnings.catch_warnings():
        # The run makes the plan again, and warns.
        warnings.simplefilter("ignore", UserWarning)
        plan = options.schedule.plan(
            total_steps=length.total_steps,
            final_size=options.full_size,
            samples_per_epoch=samples,
            batch_size=grow,
        )
    return GrownCounter(plan)


def batches_of(counter: BatchCounter, plan: Plan, samples: int) -> int:
    """Return the batches of the next pass over a loader.

    Args:
        counter: Counts the batches of the run.
        plan: Its plan, which knows its samples.
        samples: Samples that the loader draws: those of an epoch, or of its rest.

    Raises:
        ValueError: When it is neither.
    """
    now = counter.upcoming()
    batches = counter.batches_from(now.epoch_step)
    assert batches is not None  # of a plan that knows its samples
    first = plan.samples_at(now.epoch_step)
    whole = plan.samples_at(now.epoch_step + batches) - first
    if samples == whole:
        return batches
    if samples == whole - (plan.samples_at(now.step) - first):
        return batches - now.batch
    raise ValueError(wrong_samples(samples, whole))
