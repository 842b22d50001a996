"""What plans save, side by side."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from upsize.plot._style import axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from upsize.schedule import Plan, Size

__all__ = ["plot_compare"]

_MOST_EDGES = 16  # with more sizes the edges would hide the bar


def _pixels(plan: Plan) -> dict[Size, Fraction]:
    """Return the share of full-size training's pixels that each size trains on."""
    full = math.prod(plan.final_size)
    shares = sorted(plan.share_by_size.items(), key=lambda item: math.prod(item[0]))
    return {size: share * math.prod(size) / full for size, share in shares}


def plot_compare(plans: Mapping[str, Plan], ax: Axes | None = None) -> Axes:
    """Draw how many pixels each of several plans trains on, and at which sizes.

    Each plan is a bar. Its parts are the sizes, dark for small and light for large; a
    colour bar shows the scale. The bar ends at the plan's ``pixel_share``; the rest up
    to 100 % is the most that the plan can save, and is written next to it. Each plan is
    compared with training at its own final size. Random sizes count by their
    probability.

    Args:
        plans: The plans by name, from the top.
        ax: Where to draw; ``None``: on a new figure. The colour bar takes some of its
            space.

    Returns:
        The axes, with the share of the pixels in percent from left to right.

    Raises:
        ValueError: When there is no plan.

    Example:
        >>> from upsize.schedule import Ramp, presets
        >>> ax = plot_compare({
        ...     "ramp": Ramp(final_size=224).plan(epochs=16, steps_per_epoch=100),
        ...     "ffcv": presets.ffcv(16).plan(epochs=16, steps_per_epoch=100),
        ... })
        >>> [text.get_text() for text in ax.texts]
        ['48.0 % saved', '22.9 % saved']
    """
    if not plans:
        raise ValueError("plans must hold at least one plan, not {}")
    ax = axes(ax)
    bars = {name: _pixels(plan) for name, plan in plans.items()}
    sides = sorted({max(size) for shares in bars.values() for size in shares})
    scale = ScalarMappable(Normalize(min(sides), max(sides)), "cividis")
    colors = dict(zip(sides, scale.to_rgba(np.array(sides)), strict=True))
    for row, shares in enumerate(bars.values()):
        left = Fraction(0)
        for size, share in shares.items():
            ax.barh(
                row,
                float(100 * share),
                left=float(100 * left),
                height=0.6,
                color=colors[max(size)],
                edgecolor="white",
                linewidth=0.5 if len(shares) <= _MOST_EDGES else 0,
            )
            left += share
        ax.annotate(
            f"{float(100 * (1 - left)):.1f} % saved",
            (float(100 * left), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.axvline(100, color="black", linewidth=1)
    ax.set_xlim(0, 125)  # space for the text next to the bar
    ax.set_yticks(range(len(bars)), list(bars))
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("pixels trained on (% of full size)")
    _figure(ax).colorbar(scale, ax=ax, label="image size (pixels)")
    return ax


def _figure(ax: Axes) -> Figure | SubFigure:
    """Return the figure, or part of one, that axes are on."""
    figure = ax.get_figure()
    assert figure is not None  # axes that are on no figure were removed from it
    return figure
