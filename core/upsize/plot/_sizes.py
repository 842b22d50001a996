"""The size of every step as a staircase."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from upsize.plot._plans import named_plans
from upsize.plot._style import axes, style
from upsize.schedule import Plan, Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes

__all__ = ["plot_sizes"]

_MOST_DRAWS = 300  # a line through more would be a blot


def _staircase(plan: Plan) -> Iterator[tuple[int, float]]:
    """Yield (step, longer side) for each change; NaN for a stage of many draws."""
    for start, stop, size in plan.stages:
        if isinstance(size, Size):
            yield start, max(size)
        elif (stop - start) // size.every > _MOST_DRAWS:
            yield start, math.nan
        else:
            for begin, _, drawn in size.draws(start, stop):
                yield begin, max(drawn)


def _position(plan: Plan, in_epochs: bool, step: int) -> float:
    """Return where to draw a step."""
    epoch = plan.epoch_at(step) if in_epochs else None
    return step if epoch is None else float(epoch)


def plot_sizes(plans: Plan | Mapping[str, Plan], ax: Axes | None = None) -> Axes:
    """Draw the size of every step of one or more plans as a staircase.

    For random sizes, the line follows the draws if they are few enough to see, and a
    band shows their range.

    Args:
        plans: A plan, or several by name, in the order of their styles. Drawn over
            epochs if all plans know their epochs, else over steps.
        ax: Where to draw; ``None``: on a new figure.

    Returns:
        The axes, with the longer side in pixels over time.

    Raises:
        TypeError: When something else is given, such as a schedule.
        ValueError: When there is no plan.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, steps_per_epoch=147
        ... )
        >>> ax = plot_sizes(plan)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('epoch', 'image size (pixels)')
        >>> ax.lines[0].get_ydata().tolist()
        [112, 168, 224, 224]
    """
    named = named_plans(plans)
    ax = axes(ax)
    in_epochs = all(plan.epoch_at(0) is not None for plan in named.values())
    for number, (name, plan) in enumerate(named.items()):
        at = partial(_position, plan, in_epochs)
        starts, sides = [], []
        for start, side in _staircase(plan):
            starts.append(at(start))
            sides.append(side)
        # The later, thinner lines leave the earlier ones visible where they coincide.
        ax.step(
            [*starts, at(plan.total_steps)],
            [*sides, sides[-1]],
            where="post",
            color=style(number).color,
            linestyle=style(number).linestyle,
            linewidth=max(1.5, 3.0 - number),
            label=name or None,
        )
        for stage in plan.stages:
            sizes = [max(size) for size in stage.sizes]
            if len(sizes) > 1:
                ax.fill_between(
                    [at(stage.start), at(stage.stop)],
                    min(sizes),
                    max(sizes),
                    color=style(number).color,
                    alpha=0.15,
                    linewidth=0,
                )
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    ax.set_xlabel("epoch" if in_epochs else "step")
    ax.set_ylabel("image size (pixels)")
    if not isinstance(plans, Plan):
        ax.legend(frameon=False)
    return ax
