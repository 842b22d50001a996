"""Progressive resizing for fastai.

:class:`ProgressiveResize` is a ``Callback`` with the constructor of fastxtend's.
"""

from upsize._extras import missing_extra

try:
    import fastai.learner  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("fastai", "Callbacks for fastai") from error

from upsize.fastai._callback import ProgressiveResize
from upsize.schedule import IncreaseMode

__all__ = ["IncreaseMode", "ProgressiveResize"]
