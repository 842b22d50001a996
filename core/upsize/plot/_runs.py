"""The accuracy of runs over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsize.plot._style import axes, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

__all__ = ["plot_accuracy"]


def plot_accuracy(
    runs: Mapping[str, Sequence[tuple[float, float]]], ax: Axes | None = None
) -> Axes:
    """Draw the accuracy of one or more runs against their training time.

    Args:
        runs: Runs by name, in the order of their styles: (seconds, accuracy) after each
            epoch, with the training seconds so far and a share in [0, 1].
        ax: Where to draw; ``None``: on a new figure.

    Returns:
        The axes, with the accuracy in percent over seconds.

    Raises:
        ValueError: When there is no run.

    Example:
        >>> ax = plot_accuracy({
        ...     "full size": [(10.0, 0.5), (20.0, 0.75)],
        ...     "progressive": [(4.0, 0.375), (12.0, 0.75)],
        ... })
        >>> [line.get_label() for line in ax.lines]
        ['full size', 'progressive']
        >>> ax.lines[1].get_ydata().tolist()
        [37.5, 75.0]
    """
    if not runs:
        raise ValueError("runs must hold at least one run, not {}")
    ax = axes(ax)
    for number, (name, points) in enumerate(runs.items()):
        ax.plot(
            [seconds for seconds, _ in points],
            [100 * accuracy for _, accuracy in points],
            color=style(number).color,
            linestyle=style(number).linestyle,
            marker=style(number).marker,
            markersize=5,
            label=name,
        )
    ax.set_xlim(left=0)
    ax.set_xlabel("training time (seconds)")
    ax.set_ylabel("accuracy (%)")
    ax.legend(frameon=False)
    return ax
