"""Compiled models that meet other sizes, and other numbers of images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from upsize.run import BatchCounter, Options, TrainingRun
from upsize.run._compiled import has_fixed_shapes, warn_of_recompiles
from upsize.schedule import Grow, Ramp

RAMP = Ramp(final_size=64, increase_by=32)


def wrapped(**options: Any) -> nn.Module:
    model: Any = torch.compile(nn.Conv2d(3, 4, 3), **options)
    return nn.Sequential(model)


def in_place(**options: Any) -> nn.Module:
    model = nn.Conv2d(3, 4, 3)
    model.compile(**options)
    return model


def unwrapped(**options: Any) -> nn.Module:
    """As Lightning keeps a compiled LightningModule."""
    model: Any = nn.Conv2d(3, 4, 3)
    context = torch.compile(nn.Conv2d(3, 4, 3), **options).dynamo_ctx  # type: ignore[attr-defined]
    model._compiler_ctx = {"compiler": "dynamo", "dynamo_ctx": context}
    return model  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [wrapped, in_place, unwrapped])
def test_fixed_shapes(kind: Callable[..., nn.Module]) -> None:
    assert has_fixed_shapes(kind(dynamic=False))
    assert not has_fixed_shapes(kind(dynamic=True))
    assert not has_fixed_shapes(kind())
    assert not has_fixed_shapes(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize(
    ("merge", "options", "said"),
    [(True, {"dynamic": False}, 1), (True, {}, 0), (False, {"dynamic": False}, 0)],
)
def test_a_run_that_merges_says_so(merge: bool, options: Any, said: int) -> None:
    counter = BatchCounter(total_steps=8, accumulate=4, batches=None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TrainingRun(
            Options(RAMP, merge=merge, verbose=False),
            counter,
            models=[wrapped(**options)],
        )
    texts = [str(each.message) for each in caught]
    assert len(texts) == said
    assert all("dynamic=False, and with merge= the number" in text for text in texts)


def test_a_plan_that_grows() -> None:
    plan = RAMP.plan(epochs=4, samples_per_epoch=64, batch_size=Grow(32, batch=8))
    with pytest.warns(UserWarning, match=r"with batch_size=Grow\(...\) the number"):
        warn_of_recompiles([wrapped(dynamic=False)], plan)
