"""A schedule that never resizes, and the dry run, change no bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import Job, Way
from tests.adapters.contract.ways.every import each_way

from upsize.schedule import Phases, Ramp

IDLE = {
    "ramp": Ramp(initial_size=1.0, final_size=32),
    "phases": Phases(phases=[(0, 32)]),
}


def same(one: Any, other: Any) -> None:
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        assert torch.equal(other.weights[name], value), name
    assert len(one.optimizer) == len(other.optimizer) > 0
    assert all(map(torch.equal, one.optimizer, other.optimizer))
    assert one.random.equal(other.random)


@each_way()
@pytest.mark.parametrize("schedule", IDLE.values(), ids=IDLE)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_schedule_that_never_resizes_changes_nothing(
    way: Way, schedule: Any, accumulate: int, tmp_path: Path
) -> None:
    job: dict[str, Any] = {
        "folder": tmp_path, "dropout": 0.5, "accumulate": accumulate,
    }  # fmt: skip
    plain = way.train(Job(upsize=False, **job))
    idle = way.train(Job(schedule=schedule, **job))
    assert idle.seen.passes == plain.seen.passes
    same(plain, idle)


@each_way()
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_dry_run_leaves_no_trace(way: Way, accumulate: int, tmp_path: Path) -> None:
    job: dict[str, Any] = {
        "folder": tmp_path, "dropout": 0.5, "accumulate": accumulate,
    }  # fmt: skip
    plain = way.train(Job(**job))
    dry = way.train(Job(preallocate=True, **job))
    assert dry.seen.passes == [(32, 32), *plain.seen.passes]
    assert dry.sizes == plain.sizes
    same(plain, dry)
