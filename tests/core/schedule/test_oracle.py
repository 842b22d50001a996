"""The reference's own runs: equal to ours, but for its two known defects.

fastxtend 0.1.7 compares accumulated floats, so that a resize which falls exactly on a
step may come one step late; and it takes at most one resize per step, so that crowded
resizes come late or never. Each is replayed from our exact moments below, case by case:
nothing is tolerated that these two rules do not explain.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from upsize.schedule import Plan, Ramp, Size
from upsize.schedule._run import RunLength

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in json.loads(
        (Path(__file__).parents[2] / "data" / "oracle.json").read_text()
    )["cases"]
}

# Resizes that the reference takes one step late by its accumulated floats alone.
LATE_BY_FLOATS = {
    "doc20_batch16": [160, 192],
    "b_.3_.8": [80],
    "b_inc1": [18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31],
    "rand27": [112],
}

# Runs with more resizes than steps for them, which the reference takes one at a time.
CROWDED = ["b_catchup", "b_init_.57_100", "b_init_.7_224", "def_b_128_3_7", "rand3"]

# What the reference plans and we refuse, and why.
REFUSED = {
    "b_init_gt_final_quiet": "larger than final_size",
    "b_start_gt_finish": "comes before start",
    "b_float_ge1": "at most 1.0",
    "e_float_ge1": "at most 1.0",
}

# What the reference fails on: the sizes that we plan instead, or why we refuse.
MENDED: dict[str, list[list[int]] | str] = {
    "b_inc_neg": "increase_by",
    "b_inc_float": "increase_by",
    "b_init_gt_final": "larger than final_size",
    "e_start_gt_finish": "comes before start",
    "e_odd_init": [[0, 63], [33, 75], [36, 88], [39, 100], [42, 113], [45, 126]],
    "b_inc_gt_diff": [[0, 32], [20, 64]],
    "def_e_128_2": [[0, 64], [4, 128]],
    "e_start_eq_finish": [[0, 32], [12, 64]],
    "e_inc_gt_diff": [[0, 32], [45, 64]],
    "b_noprealloc_nofinal": [[0, 32], [20, 40], [24, 48], [27, 56], [30, 64]],
    "e_init_1.0": [[0, 64]],
    "def_e_128_1": [[0, 128]],
}


def planned(case: dict[str, Any]) -> Plan:
    ours = {
        k: v for k, v in case["params"].items() if k not in {"preallocate", "verbose"}
    }
    final = ours.pop("final_size", case["image_size"])
    with warnings.catch_warnings():
        # Some runs end before full size; test_ramp.py asserts the warning.
        warnings.simplefilter("ignore", UserWarning)
        return Ramp(**ours).plan(
            epochs=case["n_epochs"], steps_per_epoch=case["n_batches"], final_size=final
        )


def runs(plan: Plan) -> list[list[int]]:
    return [[stage.start, stage.size.height] for stage in plan.stages]


def one_resize_per_step(plan: Plan) -> list[list[int]]:
    """Take our exact moments, and at most one of them at each step."""
    ramp = Ramp.model_validate(plan.schedule)
    growth = ramp._growth(
        RunLength(plan.total_steps, plan.steps_per_epoch), plan.final_size
    )
    taken, step = [[0, growth.initial.height]], -1
    for at, size in zip(growth.positions, growth.sizes, strict=True):
        step = max(step + 1, math.ceil(at))
        if taken[-1][0] == step:
            taken.pop()
        if step < plan.total_steps:
            taken.append([step, size.height])
    return taken


def delayed(sizes: list[list[int]], late: list[int]) -> list[list[int]]:
    return [[step + (side in late), side] for step, side in sizes]


def test_there_are_sixty_cases() -> None:
    assert len(CASES) == 60
    named = {*LATE_BY_FLOATS, *CROWDED, *REFUSED, *MENDED}
    assert named <= set(CASES)
    assert {n for n, case in CASES.items() if case["error"]} == set(MENDED)


@pytest.mark.parametrize(
    "name", sorted({*CASES} - {*LATE_BY_FLOATS, *CROWDED, *REFUSED, *MENDED})
)
def test_equal(name: str) -> None:
    assert runs(planned(CASES[name])) == CASES[name]["sizes"]


@pytest.mark.parametrize("name", LATE_BY_FLOATS)
def test_equal_but_for_floats(name: str) -> None:
    ours = runs(planned(CASES[name]))
    assert ours != CASES[name]["sizes"]
    assert delayed(ours, LATE_BY_FLOATS[name]) == CASES[name]["sizes"]


def test_the_reference_is_late_for_18_resizes_by_floats() -> None:
    assert sum(map(len, LATE_BY_FLOATS.values())) == 18


@pytest.mark.parametrize("name", CROWDED)
def test_equal_but_for_one_resize_per_step(name: str) -> None:
    plan = planned(CASES[name])
    assert runs(plan) != CASES[name]["sizes"]
    assert one_resize_per_step(plan) == CASES[name]["sizes"]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[name]):
        planned(CASES[name])


@pytest.mark.parametrize("name", MENDED)
def test_mended(name: str) -> None:
    expected = MENDED[name]
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            planned(CASES[name])
    else:
        assert runs(planned(CASES[name])) == expected


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, case in CASES.items()
        if case["message"] and n not in {*REFUSED, *MENDED}
    ],
)
def test_the_summary_has_the_numbers_of_the_reference(name: str) -> None:
    ours, theirs = planned(CASES[name]).summary(), CASES[name]["message"]
    for before, number in re.findall(
        r"(increase the initial image size of|by|Starting at|finishing at|size of) "
        r"(?:epoch |\[)?([\d.]+\d)",
        # Of one resize, ours names the two sizes and not their difference.
        re.sub(r"by \d+ pixels (in|every \S+ \w+ for) 1 resize", "", theirs),
    ):
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", ours), before


@pytest.mark.parametrize("name", sorted({*CASES} - {*REFUSED, *MENDED}))
def test_the_reference_has_no_size_that_we_lack_but_crowded_ones(name: str) -> None:
    ours = planned(CASES[name])
    theirs = {Size(side, side) for _, side in CASES[name]["sizes"]}
    assert name in CROWDED or theirs == set(ours.sizes)
    assert all(a < b for a, b in pairwise(ours.sizes))
