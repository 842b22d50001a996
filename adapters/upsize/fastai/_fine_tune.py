"""Whether a fit is a part of ``fine_tune``."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

__all__ = ["is_fine_tuning"]


def is_fine_tuning(learner: Any) -> bool:
    """Whether a call of the learner's ``fine_tune`` is in progress.

    fastai does not say so. A callback that comes with the call, as in
    ``fine_tune(4, cbs=...)``, joins the learner after the call has begun, so it cannot
    wrap the method: the call is on the stack.

    Args:
        learner: The learner that fits.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if (
            frame.f_code.co_name == "fine_tune"
            and frame.f_locals.get("self") is learner
        ):
            return True
        frame = frame.f_back
    return False
