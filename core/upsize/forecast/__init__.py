"""Predict what a schedule will save, from a minute of measuring.

:func:`measure` trains a model for a few steps at three or four sizes, and restores
everything. The :class:`Forecast` that it returns predicts the time of any schedule, says
why it saves less than its theoretical maximum, and suggests a schedule for a share of
the time. Needs the extra ``torch``.
"""

from upsize._extras import require

require("torch", "torch", "Forecasts")

from upsize.forecast._costs import Costs, SizeCost
from upsize.forecast._forecast import Forecast
from upsize.forecast._measure import measure
from upsize.forecast._prediction import Prediction, Reason
from upsize.forecast._report import Report
from upsize.forecast._watch import Watch

__all__ = [
    "Costs",
    "Forecast",
    "Prediction",
    "Reason",
    "Report",
    "SizeCost",
    "Watch",
    "measure",
]
