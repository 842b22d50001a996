"""Progressive resizing for the Trainer of Hugging Face transformers.

:class:`ProgressiveResize` is a mixin for your own Trainer class; :func:`attach`
does the same to a trainer that exists already.
"""

from upsize._extras import require

# The Trainer needs accelerate, but only says so when it is made.
for _module in ("accelerate", "transformers"):
    require(_module, "transformers", "Trainers of transformers")

from upsize.transformers._attach import attach
from upsize.transformers._mixin import ProgressiveResize

__all__ = ["ProgressiveResize", "attach"]
