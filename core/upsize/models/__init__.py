"""What a model needs to train at other sizes than its own.

:func:`check` tries every planned size before training, :func:`adapt` lets vision
transformers accept them, :func:`prewarm` compiles them ahead, and :func:`update_bn`
measures BatchNorm's statistics anew at the size that the model is used at.
"""

from __future__ import annotations

from upsize._extras import missing_extra

try:
    import torch  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("torch", "Models") from error

from upsize.models._adapt._adapt import adapt
from upsize.models._bn import update_bn
from upsize.models._changes import Adaptation
from upsize.models._check import check
from upsize.models._compile import PrewarmReport, PrewarmRow, prewarm
from upsize.models._dynamic import mark_dynamic
from upsize.models._report import CheckReport, CheckRow

__all__ = [
    "Adaptation",
    "CheckReport",
    "CheckRow",
    "PrewarmReport",
    "PrewarmRow",
    "adapt",
    "check",
    "mark_dynamic",
    "prewarm",
    "update_bn",
]
