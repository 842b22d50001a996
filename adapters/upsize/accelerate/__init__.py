"""Progressive resizing for Hugging Face Accelerate.

:class:`ProgressiveResize` wraps the prepared loader of a training loop;
:class:`ResizeHook` is for loops that cannot be edited.
"""

from upsize._extras import require

require("accelerate", "accelerate", "Runs with Accelerate")

from upsize.accelerate._hook import ResizeHook
from upsize.accelerate._loop import ProgressiveResize
from upsize.accelerate._sized import sized

__all__ = ["ProgressiveResize", "ResizeHook", "sized"]
