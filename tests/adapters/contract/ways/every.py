"""All ways of training, and the decorator that puts a claim to each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.adapters.contract.ways.accelerate import Accelerate
from tests.adapters.contract.ways.common import Way
from tests.adapters.contract.ways.fastai import Fastai
from tests.adapters.contract.ways.lightning import Lightning
from tests.adapters.contract.ways.loop import Loop
from tests.adapters.contract.ways.transformers import Transformers

__all__ = ["WAYS", "each_stage", "each_way"]

WAYS: tuple[Way, ...] = (Loop(), Lightning(), Accelerate(), Fastai(), Transformers())


def each_way(*needs: str) -> Callable[[Any], Any]:
    """Put a claim to each way of training.

    Args:
        needs: What a way must have for it; one that lacks it is skipped with its reason.
    """
    return pytest.mark.parametrize("way", [_param(way, needs) for way in WAYS])


def each_stage() -> Callable[[Any], Any]:
    """Put a claim to each stage besides training, of each way that has any."""
    rows = [
        pytest.param(way, stage, id=f"{way.name}-{stage}")
        for way in WAYS
        for stage in way.stages
    ]
    return pytest.mark.parametrize(("way", "stage"), rows)


def _param(way: Way, needs: tuple[str, ...]) -> Any:
    reasons = [way.lacks[need] for need in needs if need in way.lacks]
    marks = [pytest.mark.skip(reason="; ".join(reasons))] if reasons else []
    return pytest.param(way, id=way.name, marks=marks)
