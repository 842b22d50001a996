"""What a schedule will save, before it is trained: measured for a minute, then predicted.

:func:`measure` trains a few steps of a model on a loader at three or four sizes, and puts
everything back. The :class:`Forecast` that it returns predicts the time of any schedule,
says what lies between that and the promise of the pixel count, and suggests a schedule for
a share of the time. Needs the extra ``torch``.
"""

from upsize._extras import missing_extra

try:
    import torch  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("torch", "Forecasts") from error

from upsize.forecast._costs import Costs, SizeCost
from upsize.forecast._forecast import Forecast
from upsize.forecast._measure import measure
from upsize.forecast._prediction import Prediction, Reason
from upsize.forecast._watch import Report, Watch

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
