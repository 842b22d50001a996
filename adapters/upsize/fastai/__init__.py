"""Progressive resizing for fastai.

:class:`ProgressiveResize` is a ``Callback`` with the constructor of fastxtend's, and
:func:`sized` lets the workers of a loader make images at the size of their step.
"""

from upsize._extras import missing_extra

try:
    import fastai.learner  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("fastai", "Callbacks for fastai") from error

from upsize.fastai._callback import ProgressiveResize
from upsize.fastai._sized import sized
from upsize.schedule import IncreaseMode

__all__ = ["IncreaseMode", "ProgressiveResize", "sized"]
