"""A resumed training goes on as if it had never been interrupted, or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import BATCHES, RAMP, Job, Way
from tests.adapters.contract.ways.every import each_way
from tests.adapters.contract.ways.net import Net

from upsize.schedule import MultiScale, Phases, Ramp

RANDOM = MultiScale(sizes=(16, 24, 32), every=2, seed=1, final_size=32)


@each_way()
@pytest.mark.parametrize(
    ("step", "schedule"),
    [(5, RAMP), (15, RAMP), (10, RANDOM)],
    ids=["5", "15", "random"],
)
def test_between_epochs(way: Way, step: int, schedule: Any, tmp_path: Path) -> None:
    job: dict[str, Any] = {"folder": tmp_path, "schedule": schedule}
    whole = way.train(Job(save_every=5, **job))
    rest = way.train(Job(resume=whole.checkpoints[step], **job))
    assert rest.sizes == whole.sizes[step:]
    assert rest.warnings == []
    for name, value in whole.weights.items():
        assert torch.equal(rest.weights[name], value), name
    assert rest.plan == whole.plan


@each_way("mid-epoch data")
@pytest.mark.parametrize("step", [3, 12, 17])
def test_within_an_epoch(way: Way, step: int, tmp_path: Path) -> None:
    whole = way.train(Job(folder=tmp_path, save_every=1))
    rest = way.train(Job(folder=tmp_path, resume=whole.checkpoints[step]))
    assert rest.sizes == whole.sizes[step:]
    for name, value in whole.weights.items():
        assert torch.equal(rest.weights[name], value), name


@each_way("mid-epoch data")
@pytest.mark.parametrize("step", [3, 8])
def test_after_a_window(way: Way, step: int, tmp_path: Path) -> None:
    whole = way.train(Job(folder=tmp_path, accumulate=2, save_every=1))
    rest = way.train(Job(folder=tmp_path, accumulate=2, resume=whole.checkpoints[step]))
    done = [batch.size for batch in whole.seen.trained if batch.step >= step]
    assert rest.sizes == done
    for name, value in whole.weights.items():
        assert torch.equal(rest.weights[name], value), name


@each_way("state")
def test_the_state_is_json(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, save_every=5))
    state = way.read_state(done.checkpoints[10])
    assert state
    assert json.loads(json.dumps(state, allow_nan=False)) == state


@each_way("state")
def test_a_longer_run_never_shrinks(way: Way, tmp_path: Path) -> None:
    short = way.train(Job(folder=tmp_path, save_every=5))
    job: dict[str, Any] = {"folder": tmp_path, "epochs": 12, "save_every": 5}
    rest = way.train(Job(resume=short.checkpoints[15], **job))
    assert rest.widths == [32] * 45
    assert rest.said("saved run has 20 steps and this one 60: each step trains at") == (
        rest.warnings
    )
    assert len(rest.warnings) == 1
    # The plan that it went on with is the one that it saves.
    again = way.train(Job(resume=next(iter(rest.checkpoints.values())), **job))
    assert again.plan == rest.plan
    assert again.warnings == []


@each_way("state")
def test_a_shorter_run_reaches_full_size_where_its_plan_does(
    way: Way, tmp_path: Path
) -> None:
    long = way.train(Job(folder=tmp_path, epochs=12, save_every=5))
    rest = way.train(Job(folder=tmp_path, resume=long.checkpoints[10]))
    assert rest.widths == [24] * 5 + [32] * 5
    assert len(rest.said("saved run has 60 steps and this one 20")) == 1


@each_way("state")
@pytest.mark.parametrize(
    "other",
    [Ramp(final_size=32), Phases(phases=[(0, 16), ("10st", 24), ("15st", 32)])],
)
def test_the_state_of_another_schedule_is_refused(
    way: Way, other: Any, tmp_path: Path
) -> None:
    saved = way.train(Job(folder=tmp_path, schedule=other, save_every=5))
    refused(way, Job(folder=tmp_path, resume=saved.checkpoints[10]), "another schedule")


@each_way("state")
def test_the_state_of_another_full_size_is_refused(way: Way, tmp_path: Path) -> None:
    schedule = Ramp(increase_by=8)
    saved = way.train(
        Job(folder=tmp_path, schedule=schedule, final_size=24, save_every=5)
    )
    job = Job(
        folder=tmp_path, schedule=schedule, final_size=32,
        resume=saved.checkpoints[10],
    )  # fmt: skip
    refused(way, job, "another final_size")


def without(name: str) -> Callable[[Any], Any]:
    return lambda state: {k: v for k, v in state.items() if k != name}


def plan_with(**more: Any) -> Callable[[Any], Any]:
    return lambda state: state | {"plan": state["plan"] | more}


def shrunk(state: Any) -> Any:
    stages = json.loads(json.dumps(state["plan"]["stages"]))
    stages[0][2] = [8, 8]
    return plan_with(stages=stages)(state)


BROKEN: dict[str, Callable[[Any], Any]] = {
    "empty": lambda state: {},
    "a list": lambda state: [state],
    "none": lambda state: None,
    "an optimizer's": lambda state: {"param_groups": [], "state": {}},
    "more": lambda state: state | {"more": 1},
    "without a plan": without("plan"),
    "a broken plan": lambda state: state | {"plan": {}},
    "version 2": lambda state: state | {"version": 2},
    "version true": lambda state: state | {"version": True},
    "a plan of no steps": plan_with(total_steps=0),
    "epochs of no steps": plan_with(steps_per_epoch=0),
    "a plan without stages": plan_with(stages=[]),
    "stages that are not the schedule's": shrunk,
}


@each_way("state")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_state_is_refused(
    way: Way, broken: Any, saved: Path, tmp_path: Path
) -> None:
    way.write_state(saved, broken(way.read_state(saved)))
    refused(way, Job(folder=tmp_path, resume=saved), "state|plan")


POSITIONS: dict[str, dict[str, Any]] = {
    "negative": {"step": -1},
    "a fraction": {"step": 1.5},
    "a text": {"step": "10"},
    "true": {"step": True},
    "missing": {"step": None},
    "after the plan": {"step": 10**9},
    "a batch of another step": {"batch": 3},
    "a batch after the epoch": {"batch": 7},
    "a window longer than its batches": {"window": 1},
    "no window": {"accumulate": 0},
}


@each_way("state", "step in the state")
@pytest.mark.parametrize("position", POSITIONS.values(), ids=POSITIONS)
def test_a_broken_position_is_refused(
    way: Way, position: Any, saved: Path, tmp_path: Path
) -> None:
    way.write_state(saved, way.read_state(saved) | position)
    refused(way, Job(folder=tmp_path, resume=saved), "state")


@pytest.fixture
def saved(way: Way, made: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a checkpoint after ten steps, half of the run."""
    if way.name not in made:
        folder = tmp_path / "saved"
        folder.mkdir()
        job = Job(folder=folder, save_every=5)
        made[way.name] = way.train(job).checkpoints[10]
    original, copy = made[way.name], tmp_path / made[way.name].name
    if original.is_dir():
        shutil.copytree(original, copy)
    else:
        shutil.copy(original, copy)
    return copy


@pytest.fixture(scope="module")
def made() -> dict[str, Path]:
    """The checkpoint of each way, made once."""
    return {}


def refused(way: Way, job: Job, words: str) -> None:
    """Check that a job is refused by name, before a batch is trained on."""
    done = way.fail(job)
    with pytest.raises(ValueError, match=words):
        raise done.error  # type: ignore[misc]
    assert done.sizes == []
    assert done.seen.steps == 0


@each_way("state")
def test_it_is_refused_before_anything_changes(
    way: Way, saved: Path, tmp_path: Path
) -> None:
    way.write_state(saved, way.read_state(saved) | {"plan": {}})
    done = way.fail(Job(folder=tmp_path, resume=saved))
    torch.manual_seed(0)
    for name, value in Net().state_dict().items():
        assert torch.equal(done.weights[name], value), name


@each_way("state after an error")
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("batch", [4, 12])
def test_a_state_counts_what_was_done(
    way: Way, error: type[BaseException], batch: int, tmp_path: Path
) -> None:
    whole = way.train(Job(folder=tmp_path))
    job = Job(folder=tmp_path, fail_at=batch, error=error, save_failed=True)
    failed = way.fail(job)
    assert failed.seen.steps == len(failed.sizes) == batch
    assert failed.failed is not None
    rest = way.train(Job(folder=tmp_path, resume=failed.failed))
    assert rest.sizes == whole.sizes[batch:]
    if "mid-epoch data" not in way.lacks:
        for name, value in whole.weights.items():
            assert torch.equal(rest.weights[name], value), name
    assert len(rest.sizes) == 4 * BATCHES - batch


def test_the_schedule_of_these_claims_changes_at_epochs() -> None:
    plan = RAMP.plan(epochs=4, steps_per_epoch=BATCHES)
    assert [stage.start for stage in plan.stages] == [0, 10, 15]
