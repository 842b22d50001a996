"""A batch at each size of a plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from upsize.plot._style import new_figure
from upsize.schedule._spread import spread

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.figure import Figure

    from upsize.resize import Resizer
    from upsize.schedule import Plan

__all__ = ["batch"]


def batch(
    data: Any,
    plan: Plan,
    *,
    resizer: Resizer | None = None,
    count: int = 4,
    stages: int = 4,
) -> Figure:
    """Draw the images of a batch at the sizes of a plan, with their targets.

    Each image is drawn in proportion to its pixels, so that the picture shows what the
    model will see.

    Args:
        data: A batch at full size, unchanged from the loader.
        plan: The plan, whose sizes are the rows.
        resizer: How to find and resize the images and targets; ``None``: by their
            types. Masks are drawn as colours over the image, with 255 in white; boxes
            as frames, keypoints as dots. With ``mode="crop"`` the window of the first
            step at each size is drawn.
        count: Number of images to draw, from the first of the batch; at least 1.
        stages: Largest number of sizes to draw, from the first to the last; at least 2.

    Returns:
        A new figure: a row of axes for each size, from the smallest.

    Raises:
        LookupError, TypeError, ValueError: For a batch that the resizer refuses;
            ValueError also for numbers that are too small.

    Example:
        >>> import torch
        >>> from upsize.resize import Resizer
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=64, increase_by=16).plan(total_steps=90)
        >>> data = torch.rand(8, 3, 64, 64), torch.tensor([[4.0, 4.0, 40.0, 60.0]] * 8)
        >>> figure = batch(data, plan, resizer=Resizer(targets={1: "boxes"}), count=2)
        >>> [ax.get_title("left") for ax in figure.axes[::2]]
        ['32x32', '48x48', '64x64']
        >>> figure.axes[0].patches[0].get_xy()[:2].tolist()
        [[2.0, 2.0], [20.0, 2.0]]
    """
    from upsize.plot._pictures import draw, pictures

    if count < 1 or stages < 2:
        raise ValueError(
            f"count must be at least 1 and stages at least 2, not {count} and {stages}"
        )
    sizes = spread(sorted(plan.sizes, key=math.prod), stages)
    # Of the first step at each size, for a resizer that cuts windows.
    steps = {size: stage.start for stage in plan.stages[::-1] for size in stage.sizes}
    rows = [
        pictures(data, size, plan.final_size, resizer, count, step=steps[size])
        for size in sizes
    ]
    columns = len(rows[0])
    figure = new_figure(2 * columns, 2 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    whole = [picture.image.shape[:2] for picture in rows[-1]]
    for axes, row in zip(grid, rows, strict=True):
        for ax, picture, (height, width) in zip(axes, row, whole, strict=True):
            draw(ax, picture)
            ax.set_xlim(0, width)
            ax.set_ylim(height, 0)
    return figure
