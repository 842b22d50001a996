"""Progressive resizing for the Trainer of Hugging Face transformers.

:class:`ProgressiveResize` is a mixin for a Trainer class of your own; :func:`attach`
does the same to a trainer that exists already.
"""

from upsize._extras import missing_extra

try:
    import accelerate  # noqa: F401 - the Trainer needs it, and asks later
    import transformers  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("transformers", "Trainers of transformers") from error

from upsize.transformers._attach import Attachment, attach
from upsize.transformers._mixin import ProgressiveResize

__all__ = ["Attachment", "ProgressiveResize", "attach"]
