"""Progressive resizing for Hugging Face Accelerate.

:class:`ProgressiveResize` wraps the prepared loader of a training loop;
:class:`ResizeHook` is for loops that cannot be edited.
"""

from upsize._extras import missing_extra

try:
    import accelerate  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("accelerate", "Runs with Accelerate") from error

from upsize.accelerate._hook import ResizeHook
from upsize.accelerate._progress import ProgressiveResize
from upsize.accelerate._sized import sized

__all__ = ["ProgressiveResize", "ResizeHook", "sized"]
