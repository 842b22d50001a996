"""Whatever a training has touched is put back, however it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.contract.ways.common import Job, Way
from tests.adapters.contract.ways.every import each_way
from tests.adapters.contract.ways.net import Net

from upsize.follow import FollowSize, ValueSchedule
from upsize.schedule import MultiScale, Ramp

VALUES = {"dropout": (0.1, 0.4)}
BEFORE = 0.25
ends = pytest.mark.parametrize(
    "end", [None, RuntimeError, KeyboardInterrupt], ids=["success", "error", "ctrl-c"]
)


def follow(net: Net) -> FollowSize:
    return FollowSize(VALUES, net)


def run(way: Way, end: Any, **options: Any) -> Any:
    """Train to an end; an error comes with the eighth batch, at less than full size."""
    if end is None:
        return way.train(Job(**options))
    done = way.fail(Job(fail_at=7, error=end, **options))
    assert len(done.sizes) == 7
    return done


@each_way()
@ends
def test_nothing_of_upsize_is_left(way: Way, end: Any, tmp_path: Path) -> None:
    job = {"folder": tmp_path}
    plain = run(way, end, upsize=False, **job)
    done = run(way, end, follow=follow, dropout=BEFORE, preallocate=True, **job)
    assert done.snapshot.changed - plain.snapshot.changed == set()


@each_way()
@ends
def test_what_follows_the_size_is_put_back(way: Way, end: Any, tmp_path: Path) -> None:
    done = run(way, end, folder=tmp_path, follow=follow, dropout=BEFORE)
    assert {batch.dropout for batch in done.seen.trained} <= {0.1, 0.25, 0.4}
    assert done.seen.trained[0].dropout == 0.1
    assert done.net.drop.p == BEFORE


@each_way()
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("by", ["size", "stage"])
@pytest.mark.parametrize(
    "schedule",
    [
        Ramp(final_size=32, increase_by=4),
        MultiScale(sizes=(16, 24, 32), every=2, seed=1, final_size=32),
    ],
    ids=["ramp", "random"],
)
def test_each_step_has_its_value(
    way: Way, schedule: Any, by: Any, accumulate: int, tmp_path: Path
) -> None:
    done = way.train(
        Job(
            folder=tmp_path,
            schedule=schedule,
            accumulate=accumulate,
            dropout=BEFORE,
            follow=lambda net: FollowSize(VALUES, net, by=by),
        )
    )
    values = ValueSchedule(done.plan, VALUES, by)
    seen = [batch.dropout for batch in done.seen.trained]
    assert seen == [values.at(step)["dropout"] for step in way.steps(done)]
    assert len(set(seen)) >= (2 if by == "size" else 1)
    assert done.net.drop.p == BEFORE
