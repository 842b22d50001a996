"""The callback for the package ``lightning``."""

from __future__ import annotations

import lightning.pytorch

from upsize.lightning._callback import ResizeCallback

__all__ = ["ProgressiveResize"]


class ProgressiveResize(ResizeCallback, lightning.pytorch.Callback):
    __doc__ = ResizeCallback.__doc__
