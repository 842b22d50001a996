from __future__ import annotations

import pytest
from pydantic import ValidationError

from upsize.schedule import Linear


def test_a_half_rounds_to_the_even_multiple() -> None:
    # 3.5 multiples of 8 round to 4, 4.5 to 4: at the tie itself, and just after it.
    plan = Linear(
        initial_size=24, final_size=40, start=0.0, finish="16st", multiple_of=8
    )
    sizes = [plan.plan(total_steps=20).size_at(step).height for step in range(17)]
    assert sizes == [24] * 4 + [32] * 9 + [40] * 4


def test_epoch_mode_reads_the_size_at_the_beginning_of_an_epoch() -> None:
    schedule = Linear(final_size=224, start=2, finish=6, increase_mode="epoch")
    plan = schedule.plan(epochs=8, steps_per_epoch=10)
    heights = [plan.size_at(10 * epoch).height for epoch in range(8)]
    assert heights == [112, 112, 112, 140, 168, 196, 224, 224]
    assert all(stage.start % 10 == 0 for stage in plan.stages)


def test_non_square_sides_are_rounded_each_to_its_multiple() -> None:
    schedule = Linear(final_size=(96, 224), multiple_of=(16, 32), start=0.0, finish=0.5)
    plan = schedule.plan(total_steps=1000)
    assert plan.sizes[0] == (48, 128)  # 112 is 3.5 x 32: to the even multiple
    assert plan.sizes[-1] == (96, 224)
    assert all(h % 16 == 0 and w % 32 == 0 for h, w in plan.sizes)
    for step in range(0, 500, 7):
        exact = 0.5 + 0.5 * step / 500
        size = (round(96 * exact / 16) * 16, round(224 * exact / 32) * 32)
        assert plan.size_at(step) == size


def test_start_equal_to_finish_is_a_jump() -> None:
    plan = Linear(final_size=224, start=0.5, finish=0.5).plan(total_steps=100)
    assert [(s.start, s.size.height) for s in plan.stages] == [(0, 112), (50, 224)]


def test_full_size_from_the_start() -> None:
    plan = Linear(initial_size=1.0, final_size=64).plan(total_steps=10)
    assert plan.sizes == ((64, 64),)
    assert "from the start" in plan.summary()


def test_summary() -> None:
    plan = Linear(final_size=224, multiple_of=56).plan(epochs=10, steps_per_epoch=100)
    assert plan.summary() == (
        "112x112 until epoch 5.75, then +56 px every 1.5 epochs, 224x224 from epoch "
        "7.25"
    )
    one = Linear(initial_size=32, final_size=64, multiple_of=32).plan(total_steps=10)
    assert one.summary() == "32x32 until step 7, then 64x64"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": 0.9, "finish": 0.5}, "comes before"),
        ({"final_size": 225}, r"use \(224, 224\) or \(228, 228\)"),
        ({"final_size": 224, "initial_size": 110}, "not a multiple"),
        ({"final_size": 224, "initial_size": 228}, "larger than final_size"),
        ({"final_size": 224, "initial_size": 0.005}, "leaves no pixel"),
        ({"final_size": (224, 320), "initial_size": (160, 160)}, r"use \(112, 160\)"),
        ({"increase_by": 4}, "no field .increase_by."),
        ({"multiple_of": -4}, "at least 1"),
    ],
)
def test_bad(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Linear(**fields)  # type: ignore[arg-type]


def test_bad_in_a_run() -> None:
    schedule = Linear(final_size=224, start=5, finish=0.5)
    with pytest.raises(ValueError, match=r"finish=0.5 comes before start=5"):
        schedule.plan(epochs=8, steps_per_epoch=10)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        Linear(final_size=224, increase_mode="epoch").plan(total_steps=10)
