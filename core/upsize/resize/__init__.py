"""Resize images: one tensor with :func:`resize`, a whole batch with :class:`Resizer`."""

from upsize._extras import missing_extra

try:
    import torch  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("torch", "PyTorch tensors") from error

from upsize.resize._resize import resize
from upsize.resize._resizer import Resizer

__all__ = ["Resizer", "resize"]
