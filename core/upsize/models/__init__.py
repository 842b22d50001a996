"""What a model needs to train at sizes that it was not made for.

:func:`check` tries every planned size before training, :func:`adapt` lets vision
transformers accept them, :func:`suggest_batches` finds the largest batch for each size,
:func:`prewarm` compiles the sizes in advance, and :func:`update_bn` measures BatchNorm's
statistics again at the size that you use.
"""

from __future__ import annotations

from upsize._extras import require

require("torch", "torch", "Models")

from upsize.models._adapt._adapt import adapt
from upsize.models._adaptation import Adaptation
from upsize.models._bn import update_bn
from upsize.models._check import check
from upsize.models._compile import PrewarmReport, PrewarmRow, prewarm
from upsize.models._dynamic import mark_dynamic
from upsize.models._report import CheckReport, CheckRow
from upsize.models._suggest import BatchRow, SuggestedBatches, suggest_batches

__all__ = [
    "Adaptation",
    "BatchRow",
    "CheckReport",
    "CheckRow",
    "PrewarmReport",
    "PrewarmRow",
    "SuggestedBatches",
    "adapt",
    "check",
    "mark_dynamic",
    "prewarm",
    "suggest_batches",
    "update_bn",
]
