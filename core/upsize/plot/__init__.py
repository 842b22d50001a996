"""Pictures of plans and of runs, with matplotlib.

Every function draws on the given axes, or on a new figure, and returns the axes
(:func:`batch`, which needs many, returns its figure); pyplot and its global state are
never used. :func:`save` writes the picture. Each :class:`Style` has its own colour,
line and marker, so that a picture can be read in grey and by colour-blind people.
"""

from __future__ import annotations

from upsize._extras import require

require("matplotlib.figure", "plot", "Pictures")

from upsize.plot._batch import batch
from upsize.plot._batch_sizes import plot_batch_sizes
from upsize.plot._compare import plot_compare
from upsize.plot._costs import plot_costs
from upsize.plot._forecast import plot_forecast
from upsize.plot._runs import plot_accuracy
from upsize.plot._save import check_picture, save
from upsize.plot._sizes import plot_sizes
from upsize.plot._style import STYLES, Style, style

__all__ = [
    "STYLES",
    "Style",
    "batch",
    "check_picture",
    "plot_accuracy",
    "plot_batch_sizes",
    "plot_compare",
    "plot_costs",
    "plot_forecast",
    "plot_sizes",
    "save",
    "style",
]
