"""The plan of a run that resumes a saved one."""

from __future__ import annotations

import pytest

from upsize.run._resume import resumed
from upsize.run._state import State
from upsize.schedule import Linear, Plan, Ramp
from upsize.schedule._moved import moved

RAMP = Ramp(increase_by=8)


def plan(epochs: int = 10, steps: int = 20, ramp: Ramp | Linear = RAMP) -> Plan:
    return ramp.plan(epochs=epochs, steps_per_epoch=steps, final_size=32)


def resume(saved: Plan, mine: Plan, unit: str = "batches") -> Plan:
    return resumed(State(unit="batches", plan=saved), mine, unit, RAMP)


def test_of_the_same_length_it_is_the_saved_one() -> None:
    assert resume(plan(), plan()) == plan()


def test_a_plan_that_has_resumed_another_goes_on() -> None:
    early = RAMP.model_copy(update={"start": 0.1})
    assert early.plan(total_steps=40, final_size=32).size_at(6).width == 24
    saved = plan().never_below(plan(epochs=2))
    assert saved != plan()
    assert resume(saved, plan()) == saved


@pytest.mark.parametrize(("epochs", "steps"), [(20, 20), (5, 20), (10, 10), (10, 40)])
def test_another_length_warns_and_never_shrinks(epochs: int, steps: int) -> None:
    mine = plan(epochs, steps)
    with pytest.warns(UserWarning, match="larger of both plans' sizes") as told:
        new = resume(plan(), mine)
    assert told[0].filename == __file__
    assert new == mine.never_below(plan())


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (
            plan(ramp=Ramp(increase_by=4)),
            "another schedule: {'increase_by': 4}, not {'increase_by': 8}; resume",
        ),
        (plan(ramp=Linear()), "another schedule: .*'linear'"),
        (
            plan().model_copy(update={"schedule": {"kind": "ramp", "a": 10**5000}}),
            r"another schedule: {'a': \(a number of 16610 bits\)}, not ",
        ),
        (RAMP.plan(total_steps=200, final_size=64), "another final_size: .*64"),
    ],
)
def test_another_schedule_or_full_size(saved: Plan, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resume(saved, plan())


def test_another_unit() -> None:
    with pytest.raises(ValueError, match="counts batches and this one epochs"):
        resume(plan(), plan(), "epochs")


@pytest.mark.parametrize(("steps", "step"), [(10, 30), (20, 60), (40, 120)])
def test_the_step_is_moved_to_the_same_epoch(steps: int, step: int) -> None:
    assert moved(60, plan(), plan(steps=steps)) == step
    unknown = RAMP.plan(total_steps=200, final_size=32)
    assert moved(60, plan(), unknown) == moved(60, unknown, plan()) == 60


@pytest.mark.parametrize("side", [8, 32])
def test_stages_that_the_schedule_does_not_have(side: int) -> None:
    fields = plan().model_dump(mode="json") | {
        "stages": [[0, 199, [side, side]], [199, 200, [32, 32]]]
    }
    with pytest.raises(ValueError, match="are not those of its schedule"):
        resume(Plan.model_validate(fields), plan())
