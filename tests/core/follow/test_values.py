"""The values of a plan's steps."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsize.follow import ValueSchedule
from upsize.schedule import MultiScale, Phases, Plan, Ramp, presets

UNEQUAL = Phases(phases=[(0, 128), (0.25, 224), (0.5, 288)]).plan(total_steps=400)


def column(plan: Plan, ends: Any, **more: Any) -> list[float]:
    follow = ValueSchedule(plan, {"it": ends}, **more)
    return [follow.at(stage.start)["it"] for stage in plan.stages]


@pytest.mark.parametrize("by", ["size", "stage"])
@pytest.mark.parametrize(
    ("variant", "magnitude", "alpha"), [("s", 10, 0.0), ("m", 15, 0.2), ("l", 20, 0.5)]
)
def test_efficientnetv2_s_own_four_stages(
    variant: Any, magnitude: int, alpha: float, by: Any
) -> None:
    """Its code has linspace(5, m, 4) and linspace(0, alpha, 4)."""
    plan = presets.efficientnetv2(variant).plan(total_steps=400)
    assert column(plan, (5.0, float(magnitude)), by=by) == pytest.approx(
        np.linspace(5, magnitude, 4)
    )
    assert column(plan, (0.0, alpha), by=by) == pytest.approx(np.linspace(0, alpha, 4))


def test_by_size_and_by_stage_differ_where_stages_grow_unequally() -> None:
    assert column(UNEQUAL, (0.0, 1.0)) == [0.0, 0.6, 1.0]
    assert column(UNEQUAL, (0.0, 1.0), by="stage") == [0.0, 0.5, 1.0]


def test_the_ends_are_exact() -> None:
    plan = Ramp(final_size=224).plan(total_steps=1000)
    values = column(plan, (0.1, 0.3))
    assert (values[0], values[-1]) == (0.1, 0.3)
    assert values == sorted(values)
    assert column(plan, (0.3, 0.1)) == values[::-1]
    assert ValueSchedule(plan, {"it": (0.1, 0.3)}).at(10**9) == {"it": 0.3}


def test_between_ints_there_are_ints() -> None:
    plan = presets.efficientnetv2("m").plan(total_steps=400)
    values = column(plan, (5, 15))
    assert values == [5, 8, 12, 15]
    assert all(type(value) is int for value in values)
    assert type(column(plan, (np.int64(5), np.int32(15)))[1]) is int
    assert type(column(plan, (5, 15.0))[0]) is float
    assert column(UNEQUAL, (0, 1), by="stage") == [0, 0, 1]  # a half to the even one


@pytest.mark.parametrize("by", ["size", "stage"])
def test_a_plan_of_one_stage_has_the_last_values(by: Any) -> None:
    full = Ramp(initial_size=1.0, final_size=64).plan(total_steps=10)
    assert column(full, (0.1, 0.3), by=by) == [0.3]


def test_random_sizes_have_each_its_own_value() -> None:
    plan = MultiScale(sizes=(96, 128, 160), every=5).plan(total_steps=500)
    follow = ValueSchedule(plan, {"dropout": (0.1, 0.3)})
    expected = {96: 0.1, 128: 0.2, 160: 0.3}
    for step in range(500):
        assert follow.at(step)["dropout"] == expected[plan.size_at(step).width]
    assert ValueSchedule(plan, {"dropout": (0.1, 0.3)}, by="stage").at(0) == {
        "dropout": 0.3
    }


@given(
    st.integers(4, 300),
    st.floats(-1e6, 1e6) | st.integers(-1000, 1000),
    st.floats(-1e6, 1e6) | st.integers(-1000, 1000),
    st.sampled_from(["size", "stage"]),
)
def test_values_stay_between_their_ends(n: int, first: Any, last: Any, by: Any) -> None:
    plan = Ramp(final_size=224, increase_by=20).plan(total_steps=n)
    follow = ValueSchedule(plan, {"it": (first, last)}, by)
    values = [follow.at(step)["it"] for step in range(n)]
    assert all(min(first, last) <= value <= max(first, last) for value in values)
    assert values == sorted(values, reverse=first > last)
    assert values[-1] == last


def test_of_a_resumed_run_they_go_with_its_sizes() -> None:
    ramp = Ramp(final_size=224, increase_by=16)
    new = ramp.plan(total_steps=150).never_below(ramp.plan(total_steps=100))
    follow = ValueSchedule(new, {"it": (0.0, 1.0)})
    for step in range(150):
        share = (new.size_at(step).width - 112) / 112
        assert follow.at(step)["it"] == pytest.approx(share)


def test_frozen_and_picklable() -> None:
    values = {"dropout": (0.1, 0.3)}
    follow = ValueSchedule(UNEQUAL, values)
    values["dropout"] = (0.5, 0.5)
    assert follow.at(0) == {"dropout": 0.1}
    assert pickle.loads(pickle.dumps(follow)) == follow == ValueSchedule(*_args(follow))
    with pytest.raises(AttributeError):
        follow.by = "stage"  # type: ignore[misc]


def _args(follow: ValueSchedule) -> tuple[Any, ...]:
    return follow.plan, follow.values, follow.by


def test_no_torch() -> None:
    code = (
        "import sys\n"
        "from upsize.follow import FollowSize, ValueSchedule\n"
        "from upsize.schedule import Ramp\n"
        "plan = Ramp(final_size=64).plan(total_steps=9)\n"
        "assert ValueSchedule(plan, {'dropout': (0.0, 0.5)}).at(0) == {'dropout': 0.0}\n"
        "print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "must map names"),
        ([("dropout", (0.1, 0.3))], "must map names"),
        ({"dropout": 0.3}, r"values\['dropout'\] must be a \(first, last\) pair"),
        ({"dropout": (0.1,)}, "pair of finite numbers"),
        ({"dropout": (0.1, 0.2, 0.3)}, "pair of finite numbers"),
        ({"dropout": (0.1, math.nan)}, "pair of finite numbers"),
        ({"dropout": (0.1, math.inf)}, "pair of finite numbers"),
        ({"dropout": (False, True)}, "pair of finite numbers"),
        ({"dropout": ("0.1", "0.3")}, "pair of finite numbers"),
        ({7: (0.1, 0.3)}, "pair of finite numbers"),
    ],
)
def test_bad_values(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ValueSchedule(UNEQUAL, values)


def test_bad_by_and_bad_step() -> None:
    with pytest.raises(ValueError, match="by must be"):
        ValueSchedule(UNEQUAL, {"dropout": (0.1, 0.3)}, by="epoch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 0, not -1"):
        ValueSchedule(UNEQUAL, {"dropout": (0.1, 0.3)}).at(-1)
