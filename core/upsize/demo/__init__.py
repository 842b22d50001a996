"""The demo: a small network trained from scratch, at full size and progressively.

``upsize demo`` is its command. Needs the extra ``demo``.
"""

from __future__ import annotations

from upsize._extras import require

for _module in ("torch", "PIL", "matplotlib"):
    require(_module, "demo", "Photographs, training and pictures")

from upsize.demo._data import load_cells
from upsize.demo._model import small_resnet

__all__ = ["load_cells", "small_resnet"]
