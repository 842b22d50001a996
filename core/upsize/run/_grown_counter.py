"""Loops whose batch grows: their epochs have as many batches as the plan says."""

from __future__ import annotations

from dataclasses import replace

from upsize.run._counter import BatchCounter
from upsize.run._epochs import wrong_samples
from upsize.run._grown_plan import (
    check_growing,
    grown_plan,
    length_of_grown,
)
from upsize.run._options import Options
from upsize.schedule import Grow, Plan
from upsize.schedule._run import RunLength

__all__ = ["batches_of", "check_accumulation", "check_grow", "grown_counter"]


def check_grow(
    grow: object, options: Options, epochs: int | None, accumulate: int
) -> None:
    """Refuse what does not go with a batch that grows, in a loop.

    Args:
        grow: How the batch grows.
        options: What the user asks for.
        epochs: Length of the run in epochs; ``None``: in steps.
        accumulate: Batches in an accumulation window.

    Raises:
        TypeError: When ``grow`` is another batch size.
        ValueError: When gradients are accumulated, batches are merged, or the run is not
            counted in epochs.
    """
    check_growing(grow, options, None)
    check_accumulation(accumulate)
    if epochs is None:
        raise ValueError(
            "total_steps counts steps, and how many there are follows from a batch that "
            "grows: give epochs= beside batch_size=Grow(...)"
        )


def check_accumulation(accumulate: int) -> None:
    """Refuse to accumulate gradients of batches that grow.

    Args:
        accumulate: Batches in an accumulation window.

    Raises:
        ValueError: When it has several.
    """
    if accumulate != 1:
        raise ValueError(
            f"batch_size=Grow(...) and accumulate={accumulate} both make batches of small "
            "images larger: give merge=True beside accumulate, which changes no optimizer "
            "step, or leave out accumulate"
        )


def grown_counter(
    options: Options, length: RunLength, samples: int | None, grow: Grow
) -> BatchCounter:
    """Return the counter of a run whose batch grows, one step for each batch.

    Args:
        options: What the user asks for.
        length: Length of the run with constant batches.
        samples: Samples in an epoch.
        grow: How the batch grows.

    Example:
        >>> from upsize.schedule import Ramp
        >>> options = Options(Ramp(final_size=64, increase_by=32))
        >>> constant = RunLength(total_steps=20, steps_per_epoch=10)
        >>> counter = grown_counter(options, constant, 20, Grow(8, batch=2))
        >>> counter.batches, counter.total_steps
        (3, 13)
    """
    plan = grown_plan(options, length, samples, grow)
    counter = BatchCounter(plan.total_steps, 1, None, by_epochs=True)
    counter.windows = replace(counter.windows, plan=plan)
    counter.length = length_of_grown(plan)
    return counter


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
    batches = counter.windows.batches_from(now.epoch_step)
    assert batches is not None  # of a plan that knows its samples
    first = plan.samples_at(now.epoch_step)
    whole = plan.samples_at(now.epoch_step + batches) - first
    if samples == whole:
        return batches
    if samples == whole - (plan.samples_at(now.step) - first):
        return batches - now.batch
    raise ValueError(wrong_samples(samples, whole))
