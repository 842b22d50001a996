"""The styles that distinguish runs, the figure and the axes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STYLES", "Style", "axes", "new_figure", "style"]


class Style(NamedTuple):
    """The colour, line and marker of a run; each alone identifies it.

    Args:
        color: A colour of matplotlib.
        linestyle: A line style of matplotlib, a name or (offset, lengths in points).
        marker: A marker of matplotlib.

    Example:
        >>> color, linestyle, marker = style(1)
        >>> linestyle, marker
        ('--', 's')
    """

    color: str
    linestyle: str | tuple[int, tuple[int, ...]]
    marker: str


#: The colours are Okabe and Ito's, which colour-blind people can tell apart, in an
#: order in which neighbours differ in grey as well.
STYLES = (
    Style("#0072B2", "-", "o"),
    Style("#E69F00", "--", "s"),
    Style("#000000", "-.", "^"),
    Style("#D55E00", ":", "D"),
    Style("#CC79A7", (0, (5, 1, 1, 1, 1, 1)), "v"),
    Style("#56B4E9", (0, (8, 2)), "P"),
    Style("#009E73", (0, (2, 1)), "X"),
)


def style(number: int) -> Style:
    """Return the style of a run.

    Args:
        number: Number of the run, from 0; after the last style they repeat.

    Example:
        >>> style(0).color, style(7) == style(0)
        ('#0072B2', True)
    """
    return STYLES[number % len(STYLES)]


class _NotebookFigure(Figure):
    """A figure that a notebook shows, whether or not it has `%matplotlib inline`."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, outside of pyplot."""
    return _NotebookFigure(figsize=(width, height), layout="constrained")


def axes(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new figure, with a light grid."""
    if ax is None:
        ax = new_figure(6.4, 4.0).subplots()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    ax.set_axisbelow(True)
    return ax
