"""Progressive resizing for Hugging Face Accelerate.

:class:`ProgressiveResize` wraps the prepared loader of a training loop;
:class:`ResizeHook` is for loops that cannot be edited.
"""

from upsize.accelerate._hook import ResizeHook
from upsize.accelerate._progress import ProgressiveResize

__all__ = ["ProgressiveResize", "ResizeHook"]
