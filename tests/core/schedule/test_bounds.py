"""Numbers beyond what any training has are refused by name, and the largest are quick.

Where code could hang it runs in a process of its own, which is killed after a minute.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from upsize.schedule import (
    IncreaseMode,
    Linear,
    MultiScale,
    Phases,
    Plan,
    Ramp,
    RandomSize,
    RunLength,
    Schedule,
    Size,
    load,
)

HUGE = 10**5000
SIDE = "at most 65,536 pixels a side"
COUNT = "at most 1,000,000,000,000"


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Ramp, {"final_size": 9_999_999}, f"{SIDE}, not 9999999: give the size of"),
        (Ramp, {"final_size": 65_537}, SIDE),
        (Ramp, {"final_size": (224, 65_537)}, rf"{SIDE}, not \(224, 65537\)"),
        (Ramp, {"final_size": HUGE}, f"{SIDE}, not .a number of 16610 bits"),
        (Ramp, {"initial_size": 10**9}, SIDE),
        (Ramp, {"initial_size": (1, HUGE)}, SIDE),
        (Ramp, {"multiple_of": 10**9}, SIDE),
        (Linear, {"final_size": 10**9}, SIDE),
        (Linear, {"multiple_of": (1, 10**6)}, SIDE),
        (Phases, {"phases": [(0, 10**9)]}, SIDE),
        (Phases, {"phases": [(0, 1)] * 10_001}, "at most 10,000 pairs, not 10,001"),
        (MultiScale, {"sizes": [64, 10**9]}, SIDE),
        (MultiScale, {"sizes": {"low": 1, "high": 10**9, "step": 1}},
         "at most 10,000 sizes, not range.*use a larger step"),
        (MultiScale, {"sizes": {"low": 1, "high": HUGE, "step": 1}}, "range"),
        (MultiScale, {"sizes": range(1, 10_002)}, "at most 10,000 sizes"),
        (MultiScale, {"sizes": range(10**30)}, "at most 10,000 sizes"),
        (MultiScale, {"sizes": [64] * 10_001}, "at most 10,000 sizes"),
        (MultiScale, {"sizes": [64], "every": 10**13}, COUNT),
        (Ramp, {"increase_by": 10**13}, COUNT),
        (Ramp, {"increase_by": HUGE}, COUNT),
        (Ramp, {"start": 1e308}, r"at most 1.0 .*, not 1e\+308"),
        (Linear, {"finish": 1e13}, "at most 1.0"),
        (Ramp, {"start": HUGE}, COUNT),
        (Ramp, {"start": "9" * 14 + "st"}, COUNT),
        (Ramp, {"start": "1/1" + "0" * 400}, "at most 80 characters"),
        (Ramp, {"start": Fraction(1, 10**400)}, "must be a share"),
        (Ramp, {"start": Fraction(10**400)}, "must be a share"),
        (MultiScale, {"sizes": [64], "start": "0" * 5000 + "ep"}, "80 characters"),
        (Phases, {"phases": [(0, 64), (10**400, 96)]}, COUNT),
        (Ramp, {"max_sizes": -HUGE}, "max_sizes"),
        (MultiScale, {"sizes": [64], "seed": HUGE}, "0 to 2..64 - 1, not .a number"),
    ],
)  # fmt: skip
def test_fields(kind: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        kind(**fields)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "length",
    [
        {"total_steps": 10**13},
        {"total_steps": 10**400},
        {"total_steps": HUGE},
        {"epochs": HUGE, "steps_per_epoch": 1},
        {"epochs": 1, "steps_per_epoch": 10**13},
        {"epochs": 10**7, "steps_per_epoch": 10**7},
        {"total_steps": 5, "steps_per_epoch": 10**400},
    ],
)
@pytest.mark.parametrize("schedule", [Ramp(), Linear(), MultiScale(sizes=[0.5, 1.0])])
def test_lengths(schedule: Schedule, length: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=COUNT):
        schedule.plan(**length, final_size=224)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Ramp(increase_by=1), "increase_by=1 makes 32,768 resizes .* set max_sizes"),
        (Ramp(increase_by=1, increase_mode=IncreaseMode.Epoch), "32,768 resizes"),
        (Linear(multiple_of=1), "multiple_of=1 makes 32,768 sizes .* larger multiple"),
        (Linear(multiple_of=(3, 1), initial_size=0.9), "at most|not a multiple"),
    ],
)
def test_resizes(schedule: Schedule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedule.plan(epochs=10**6, steps_per_epoch=10, final_size=65_536)


def test_an_endless_schedule_of_the_user_s_own() -> None:
    class Endless(Schedule):
        def changes(self, run: RunLength, final: Size) -> Any:
            step = 0
            while True:
                yield step, final
                step += 1

    with pytest.raises(ValueError, match=r"changes\(\) of Endless: .*at most 30,000"):
        Endless().plan(total_steps=10**9, final_size=64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total_steps": 10**13, "stages": [[0, 10**13, [64, 64]]]}, COUNT),
        ({"steps_per_epoch": 10**400}, COUNT),
        ({"final_size": [70_000, 64]}, "final_size must be at most 65,536"),
        ({"stages": [[0, 10, [10**400, 64]]]}, "larger than|never shrink"),
        ({"stages": [[n, n + 1, [64, 64]] for n in range(30_001)],
          "total_steps": 30_001}, "stages must be at most 30,000, not 30,001"),
        ({"stages": [[n, n + 1, {"choices": [[64, 64]] * 9000, "every": 1, "seed": n}]
                     for n in range(30)], "total_steps": 30},
         "at most 200,000 random sizes in all, not 270,000"),
        ({"stages": [[0, 10, {"choices": [[64, 64]] * 10_001, "every": 1, "seed": 0}]]},
         "at most 10000 items"),
    ],
)  # fmt: skip
def test_plans_from_files(change: dict[str, Any], message: str) -> None:
    fields = {
        "schedule": {}, "description": "", "stages": [[0, 10, [64, 64]]],
        "total_steps": 10, "final_size": [64, 64],
    }  # fmt: skip
    assert Plan.model_validate(fields)
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate(fields | change)


def test_the_largest_schedules_are_quick() -> None:
    """Half a minute would be a hang: each takes parts of a second."""
    code = """if True:
        from upsize.schedule import *
        for steps in (10, 10**12):
            Ramp(final_size=65536).plan(total_steps=steps).table()
            Ramp(final_size=65536, increase_by=1, max_sizes=2).plan(total_steps=steps)
            Ramp(final_size=(65536, 60000), increase_by=1, max_sizes=9,
                 multiple_of=(8192, 1)).plan(total_steps=steps)
            Linear(final_size=(65536, 65000)).plan(total_steps=steps).table()
            MultiScale(sizes=range(1, 10001)).plan(total_steps=steps).table()
            Phases(phases=[(f"{n}st", n + 1) for n in range(10000)], final_size=10000,
                   ).plan(total_steps=steps)
        Ramp(final_size=65536, increase_by=1, max_sizes=2, increase_mode="epoch").plan(
            epochs=10**6, steps_per_epoch=10**6)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_weights_of_repeated_sizes() -> None:
    size = RandomSize(choices=((2, 2), (1, 1), (2, 2), (1, 1), (3, 3)), every=1, seed=0)
    assert size.weights == {
        (1, 1): Fraction(2, 5), (2, 2): Fraction(2, 5), (3, 3): Fraction(1, 5),
    }  # fmt: skip


@given(
    st.tuples(st.integers(2, 400), st.integers(2, 400)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 50),
    st.integers(2, 20),
    st.sampled_from(["batch", "epoch"]),
    st.integers(1, 90),
)
def test_max_sizes_takes_the_least_increment(
    final: tuple[int, int], multiple: tuple[int, int], by: int, most: int, mode: str,
    epochs: int,
) -> None:  # fmt: skip
    full = tuple(max(1, side // m) * m for side, m in zip(final, multiple, strict=True))
    fields: dict[str, Any] = {"increase_mode": mode, "multiple_of": multiple}

    def sizes(by: int, most: int | None = None) -> tuple[Any, ...]:
        ramp = Ramp(increase_by=by, max_sizes=most, start=0.2, finish=0.9, **fields)
        run = RunLength(epochs * 1000, 1000)
        growth = ramp._growth(run, Size(*full))
        return growth.initial, growth.sizes, growth.positions

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = sizes(by, most)
        except ValueError:  # leaves no pixel
            return
        while len({(each := sizes(by))[0], *each[1]}) > most:
            by += 1
        assert found == sizes(by)
    assert all(a <= b for a, b in pairwise(found[2]))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": 10**5000},
        {"kind": "ramp", "start": -(10**5000)},
        {"kind": "multiscale", "sizes": [2, 3], "before": {"kind": 10**5000}},
    ],
)
def test_a_number_that_python_cannot_print(
    fields: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    with pytest.raises(ValueError, match="has at most 1,000 bits"):
        load(fields)
    assert said == []
