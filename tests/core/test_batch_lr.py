"""A learning rate over the share of the samples, with PyTorch's LambdaLR."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from upsize.schedule import Grow, Plan, Ramp

RAMP = Ramp(final_size=224, increase_by=56)


def rates(plan: Plan) -> dict[int, float]:
    """Return the learning rate of each step, by the samples before it."""
    total = plan.total_samples
    assert total is not None

    def factor(step: int) -> float:
        share = plan.samples_at(step) / total
        return plan.lr_factor(step) * (1 + math.cos(math.pi * share)) / 2

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = LambdaLR(optimizer, factor)
    seen = {}
    for step in range(plan.total_steps):
        seen[plan.samples_at(step)] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()  # also after the last step, which asks for the one after it
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    return seen


@pytest.mark.parametrize("lr", [None, "linear", "sqrt"])
def test_the_rate_follows_the_samples(lr: Literal["linear", "sqrt"] | None) -> None:
    plan = RAMP.plan(
        epochs=8, samples_per_epoch=512, batch_size=Grow(64, batch=16, lr=lr)
    )
    assert plan.plain is not None
    grown, plain = rates(plan), rates(plan.plain)
    common = [
        step for step in range(plan.total_steps) if plan.samples_at(step) in plain
    ]
    assert len(common) > plan.total_steps / 2
    for step in common:
        done, ratio = plan.samples_at(step), plan.batch_at(step) / 16
        factor = {None: 1.0, "linear": ratio, "sqrt": ratio**0.5}[lr]
        assert grown[done] == pytest.approx(factor * plain[done])
