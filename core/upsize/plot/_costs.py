"""The cost of a step at each size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsize.plot._style import axes, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

__all__ = ["plot_costs"]


def plot_costs(
    measured: Mapping[str, Sequence[tuple[float, float]]],
    ax: Axes | None = None,
    *,
    fitted: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Axes:
    """Draw the cost of a step against the size of its images.

    Args:
        measured: Measurements by name, such as ``"step"`` and ``"loader"``, in the
            order of their styles: (side in pixels, milliseconds), in any order; each is
            a marker. A line joins them if there is no fitted curve.
        ax: Where to draw; ``None``: on a new figure.
        fitted: Fitted curves of the measurements with the same names, also as points:
            drawn as lines between the points, so give enough of them.

    Returns:
        The axes, with milliseconds over pixels.

    Raises:
        ValueError: When there is no measurement, a list is empty, or a curve has no
            measurement with its name.

    Example:
        >>> sides = 64, 96, 128
        >>> ax = plot_costs(
        ...     {"step": [(64, 9.0), (96, 19.5), (128, 33.0)], "loader": [(128, 12.0)]},
        ...     fitted={"step": [(side, 1 + 32 * (side / 128) ** 2) for side in sides]},
        ... )
        >>> [(line.get_label(), len(line.get_xdata())) for line in ax.lines]
        [('step', 3), ('step, fitted', 3), ('loader', 1)]
    """
    fitted = fitted or {}
    for name, points in measured.items():
        if not points:
            raise ValueError(f"{name!r} holds no measurement: leave it out")
    if not measured:
        raise ValueError("measured must hold at least one measurement, not {}")
    for name, points in fitted.items():
        if not points:
            raise ValueError(f"{name!r}, fitted, holds no point: leave it out")
    if alone := [name for name in fitted if name not in measured]:
        raise ValueError(
            f"fitted has {', '.join(map(repr, alone))}, which is not in measured: "
            f"{', '.join(map(repr, measured))}"
        )
    ax = axes(ax)
    for number, (name, points) in enumerate(measured.items()):
        color, linestyle, marker = style(number)
        ax.plot(
            *zip(*sorted(points), strict=True),
            color=color,
            linestyle="none" if name in fitted else linestyle,
            marker=marker,
            markersize=6,
            label=name,
        )
        if name in fitted:
            ax.plot(
                *zip(*sorted(fitted[name]), strict=True),
                color=color,
                linestyle=linestyle,
                label=f"{name}, fitted",
            )
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("image size (pixels)")
    ax.set_ylabel("time per step (ms)")
    ax.legend(frameon=False)
    return ax
