"""The plans of the demo's runs: pure arithmetic, without torch."""

from __future__ import annotations

import warnings

from upsize.schedule import Plan, Ramp, Schedule

__all__ = ["affordable_epochs", "default_schedule", "steps_per_epoch"]

_SIZES = 3


def default_schedule(size: int, initial_size: float | tuple[int, int] = 0.5) -> Ramp:
    """Return the demo's schedule: three sizes, at the moments of a ramp's defaults.

    Args:
        size: Full size in pixels.
        initial_size: First size: a share of it as a float, or pixels.

    Raises:
        ValueError: When the first size is larger than the full one.

    Example:
        >>> plan = default_schedule(128).plan(epochs=8, steps_per_epoch=10)
        >>> [(stage.start, str(stage.size)) for stage in plan.stages]
        [(0, '64x64'), (40, '96x96'), (60, '128x128')]
    """
    return Ramp(initial_size=initial_size, final_size=size, max_sizes=_SIZES)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return the batches of an epoch; all are full.

    The images left over, different ones in each epoch, are skipped: a batch of one image
    would break batch normalisation. If there are fewer images than a batch, they make one.

    Args:
        images: Images to train on.
        batch_size: Images in a batch.

    Example:
        >>> steps_per_epoch(100, 32), steps_per_epoch(20, 32)
        (3, 1)
    """
    return max(1, images // batch_size)


def affordable_epochs(
    schedule: Schedule, plan: Plan, seconds: float, budget: float
) -> int:
    """Return how many epochs of a schedule a budget of time buys.

    Args:
        schedule: The schedule.
        plan: A run of it that was timed.
        seconds: What it took; other lengths are taken to need as long per pixel.
        budget: Seconds to spend.

    Returns:
        The largest number of epochs whose time fits, at least 1.

    Example:
        >>> schedule = default_schedule(128)
        >>> plan = schedule.plan(epochs=8, steps_per_epoch=10)
        >>> affordable_epochs(schedule, plan, seconds=40.0, budget=79.0)
        15
    """
    steps = plan.steps_per_epoch
    timed = plan.pixel_share * plan.total_steps

    def cost(epochs: int) -> float:
        with warnings.catch_warnings():
            # A run that is only priced need not reach full size.
            warnings.simplefilter("ignore", UserWarning)
            longer = schedule.plan(
                epochs=epochs, steps_per_epoch=steps, final_size=plan.final_size
            )
        return seconds * longer.pixel_share * longer.total_steps / timed

    epochs = 1
    while cost(epochs + 1) <= budget:
        epochs += 1
    return epochs
