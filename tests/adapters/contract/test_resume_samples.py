"""A training that continues with other batches, windows or data: at its share of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.contract.ways.common import RAMP, Job, Trained, Way, labelled
from tests.adapters.contract.ways.every import each_way

#: What differs before and after; what is left out is as usual.
OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "smaller batches": ({"batch": 4}, {"batch": 3}),
    "larger batches": ({"batch": 3}, {"batch": 4}),
    "smaller windows": ({"accumulate": 2}, {"accumulate": 1}),
    "less data": ({"data": labelled(count=30)}, {}),
}


def others(*names: str) -> Any:
    rows = [OTHERS[name] for name in names]
    return pytest.mark.parametrize(("before", "after"), rows, ids=names)


def windows(job: Job) -> int:
    """The optimizer steps of an epoch."""
    return -(-job.batches // job.accumulate)


def resumed(
    way: Way, tmp_path: Path, before: Any, after: Any, share: float
) -> tuple[Job, Trained, int]:
    """Train one of two halves, and the rest of it with other settings."""
    first = Job(folder=tmp_path, **before)
    step = math.ceil(share * windows(first))
    saved = way.train(Job(folder=tmp_path, save_every=step, **before))
    at = saved.checkpoints[step]
    rest = Job(folder=tmp_path, before=first, resume=at, **after)
    done = way.train(rest)
    assert done.said("the saved run has") == done.warnings
    return rest, done, step


def check(way: Way, job: Job, done: Trained, step: int) -> None:
    """Check that each epoch has the size that its own plan has for it."""
    widths = [16] * 2 * job.batches + [24] * job.batches + [32] * job.batches
    if way.resumes_at == "step":
        # A Trainer goes on after as many steps, at what its own plan has for them.
        epoch, left = divmod(step, windows(job))
        widths = widths[epoch * job.batches + left * job.accumulate :]
    assert done.widths == widths[len(widths) - len(done.widths) :]
    assert done.plan == RAMP.plan(
        epochs=4, steps_per_epoch=done.plan.steps_per_epoch,
        samples_per_epoch=done.plan.samples_per_epoch, batch_size=done.plan.batch_size,
    )  # fmt: skip


@each_way("state")
@others("smaller batches", "larger batches", "smaller windows", "less data")
def test_within_an_epoch(way: Way, before: Any, after: Any, tmp_path: Path) -> None:
    job, done, step = resumed(way, tmp_path, before, after, 1.4)
    check(way, job, done, step)
    if way.resumes_at == "epoch":
        assert 2 * job.batches < len(done.widths) <= 3 * job.batches


@each_way()
@others("smaller batches")
def test_between_epochs(way: Way, before: Any, after: Any, tmp_path: Path) -> None:
    job, done, step = resumed(way, tmp_path, before, after, 2)
    if way.resumes_at == "epoch":
        assert done.widths == [24] * job.batches + [32] * job.batches
    else:
        # Its own plan is not at 24 pixels yet, where the saved run was.
        whole = way.train(Job(folder=tmp_path, **after))
        assert done.widths == [max(each, 24) for each in whole.widths[step:]]
