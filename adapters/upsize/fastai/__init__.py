"""Progressive resizing for fastai.

:class:`ProgressiveResize` is a ``Callback`` with fastxtend's parameters, and
:func:`sized` lets the workers of a loader make images at the size of their step.
"""

from upsize._extras import require

require("fastai.learner", "fastai", "Callbacks for fastai")

from upsize.fastai._callback import ProgressiveResize
from upsize.fastai._sized import sized
from upsize.schedule import IncreaseMode

__all__ = ["IncreaseMode", "ProgressiveResize", "sized"]
