"""The plan of a run whose batch grows, before the run has begun."""

from __future__ import annotations

import warnings
from typing import Any

from upsize.run._epochs import wrong_samples
from upsize.run._options import Options
from upsize.schedule import Grow, Plan
from upsize.schedule._run import RunLength
from upsize.schedule._shown import shown

__all__ = [
    "check_growing",
    "check_samples",
    "grown_plan",
    "length_of_grown",
]


def _check_kind(grow: object) -> None:
    """Refuse what is not a batch that grows.

    Raises:
        TypeError: When it is something else.
    """
    if not isinstance(grow, Grow):
        raise TypeError(
            f"batch_size must be a Grow, not {shown(grow)}: the loader has the constant "
            "batch, so leave it out, or give Grow(256) for up to 256 small images in one"
        )


def check_growing(grow: object, options: Options, total_steps: int | None) -> None:
    """Refuse what does not go with a batch that grows, in any framework.

    Args:
        grow: What the user gave as ``batch_size``.
        options: What the user asks for.
        total_steps: Length of the run in steps; ``None``: in epochs.

    Raises:
        TypeError: When ``grow`` is another batch size.
        ValueError: When batches are merged, too, or the run is not counted in epochs.
    """
    _check_kind(grow)
    if options.merge is not False:
        raise ValueError(
            f"batch_size=Grow(...) and merge={shown(options.merge)} both make batches of "
            "small images larger: leave out merge=, or accumulate gradients instead of "
            "Grow(...)"
        )
    if total_steps is not None:
        raise ValueError(
            f"total_steps={total_steps} counts steps, and how many there are follows from "
            "a batch that grows: leave it out beside batch_size=Grow(...)"
        )
    if options.preallocate:
        raise ValueError(
            "preallocate=True tries the full size with the first batch, which has more "
            "images than one at full size: leave it out beside batch_size=Grow(...), and "
            "find the limits by upsize.models.suggest_batches"
        )


def check_samples(plan: Plan, samples: int | None) -> None:
    """Refuse a loader of another number of samples than that of the plan.

    Args:
        plan: A plan that knows its samples.
        samples: Samples that the loader draws in an epoch; ``None``: not known.

    Raises:
        ValueError: When they differ.
    """
    if samples not in (None, plan.samples_per_epoch):
        raise ValueError(wrong_samples(samples, plan.samples_per_epoch))


def grown_plan(
    options: Options, length: RunLength, samples: int | None, grow: Grow
) -> Plan:
    """Return the plan of a run whose batch grows.

    Args:
        options: What the user asks for, with a full size.
        length: Length of the run with constant batches.
        samples: Samples in an epoch.
        grow: How the batch grows, with the batch of the loader.

    Example:
        >>> from upsize.schedule import Ramp
        >>> options = Options(Ramp(final_size=64, increase_by=32))
        >>> plan = grown_plan(options, RunLength(20, 10), 20, Grow(8, batch=2))
        >>> plan.total_steps, plan.epoch_start(1)
        (13, 3)
    """
    with warnings.catch_warnings():
        # The run makes the plan again, and warns.
        warnings.simplefilter("ignore", UserWarning)
        return options.schedule.plan(
            total_steps=length.total_steps,
            final_size=options.full_size,
            samples_per_epoch=samples,
            batch_size=grow,
        )


def length_of_grown(plan: Plan) -> dict[str, Any]:
    """Return the arguments of ``Schedule.plan`` that make such a plan again.

    Args:
        plan: A plan that knows its samples.
    """
    plain = plan.plain or plan
    return {
        "total_steps": plain.total_steps,
        "steps_per_epoch": None,
        "samples_per_epoch": plain.samples_per_epoch,
        "batch_size": plan.grow or plain.batch_size,
    }
