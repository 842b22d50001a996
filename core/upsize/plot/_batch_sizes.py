"""The batch of every step as a staircase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsize.plot._plans import named_plans
from upsize.plot._style import axes, style
from upsize.schedule import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

__all__ = ["plot_batch_sizes"]


def plot_batch_sizes(plans: Plan | Mapping[str, Plan], ax: Axes | None = None) -> Axes:
    """Draw the batch of every stage of one or more plans as a staircase.

    Args:
        plans: A plan that knows its samples, or several by name, in the order of their
            styles.
        ax: Where to draw; ``None``: on a new figure.

    Returns:
        The axes, with the images in a batch over epochs. The last batch of a stage,
        which may be smaller, is not drawn.

    Raises:
        TypeError: When something else is given, such as a schedule.
        ValueError: When there is no plan, or one does not know its samples.

    Example:
        >>> from upsize.schedule import Grow, Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, samples_per_epoch=1000, batch_size=Grow(256, batch=64)
        ... )
        >>> ax = plot_batch_sizes(plan)
        >>> ax.lines[0].get_ydata().tolist()
        [256, 112, 64, 64]
    """
    named = named_plans(plans)
    for name, plan in named.items():
        if plan.batch_sizes is None:
            which = f"the plan {name!r}" if name else "the plan"
            raise ValueError(
                f"{which} does not know its batches: make it with "
                "samples_per_epoch= and batch_size="
            )
    ax = axes(ax)
    for number, (name, plan) in enumerate(named.items()):
        batches = list(plan.batch_sizes or ())
        epochs = [plan.epoch_at(start) for start, _, _ in plan.stages]
        ax.step(
            [float(epoch or 0) for epoch in (*epochs, plan.epoch_at(plan.total_steps))],
            [*batches, batches[-1]],
            where="post",
            color=style(number).color,
            linestyle=style(number).linestyle,
            linewidth=max(1.5, 3.0 - number),
            label=name or None,
        )
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel("batch (images)")
    if not isinstance(plans, Plan):
        ax.legend(frameon=False)
    return ax
