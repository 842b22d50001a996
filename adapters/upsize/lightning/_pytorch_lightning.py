"""The callback for the package ``pytorch_lightning``."""

from __future__ import annotations

import pytorch_lightning

from upsize.lightning._callback import ResizeCallback

__all__ = ["ProgressiveResize"]


class ProgressiveResize(ResizeCallback, pytorch_lightning.Callback):
    __doc__ = ResizeCallback.__doc__
