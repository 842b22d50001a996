"""Pictures of plans and of runs, with matplotlib.

Every function draws on the axes that it is given, or on a new figure of its own, and
returns the axes (:func:`batch`, which needs many, its figure); pyplot and its global
state are never touched. :func:`save` writes the picture. Colours, lines and markers of
a :class:`Style` differ, so that a picture can be read in grey and without seeing
colours.
"""

from __future__ import annotations

from upsize._extras import missing_extra

try:
    import matplotlib.figure  # noqa: F401 - asked here, before each module needs it
except ImportError as error:
    raise missing_extra("plot", "Pictures") from error

from upsize.plot._batch import batch
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
    "plot_compare",
    "plot_costs",
    "plot_forecast",
    "plot_sizes",
    "save",
    "style",
]
