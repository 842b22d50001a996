"""Resize images: one tensor with :func:`resize`, a whole batch with :class:`Resizer`."""

from upsize._extras import require

require("torch", "torch", "PyTorch tensors")

from upsize.resize._parsed_batch import ParsedBatch
from upsize.resize._resize import resize
from upsize.resize._resizer import Resizer

__all__ = ["ParsedBatch", "Resizer", "resize"]
