from __future__ import annotations

import pytest
from pydantic import ValidationError

from upsize.schedule import Phases


def test_epochs_shares_and_steps() -> None:
    schedule = Phases(phases=[(0, 96), (0.25, 128), ("60st", 160), (9, 224)])
    plan = schedule.plan(epochs=10, steps_per_epoch=10)
    assert [(s.start, s.size.height) for s in plan.stages] == [
        (0, 96), (25, 128), (60, 160), (90, 224)
    ]  # fmt: skip


def test_the_last_size_is_the_final_one() -> None:
    assert Phases(phases=[(0, 96), (2, (224, 320))]).full_size() == (224, 320)
    assert Phases(phases=[(0, 0.5), (2, 1.0)]).full_size() is None


def test_shares_of_a_size_given_later() -> None:
    schedule = Phases(phases=[(0, 0.5), (0.5, 0.7), (0.75, 1.0)], multiple_of=16)
    plan = schedule.plan(total_steps=100, final_size=(224, 320))
    assert [str(size) for size in plan.sizes] == ["112x160", "144x224", "224x320"]


def test_any_aspect_ratio_may_be_given_in_full() -> None:
    plan = Phases(phases=[(0, (128, 128)), (0.5, (128, 192))]).plan(total_steps=4)
    assert plan.sizes == ((128, 128), (128, 192))


def test_phases_at_one_step_leave_the_last_and_late_ones_warn() -> None:
    schedule = Phases(phases=[(0, 96), (0.5, 128), ("51%", 224)])
    assert schedule.plan(total_steps=3).sizes == ((96, 96), (224, 224))
    with pytest.warns(UserWarning, match="never reached"):
        late = Phases(phases=[(0, 96), (5, 224)]).plan(epochs=5, steps_per_epoch=10)
    assert late.sizes == ((96, 96),)


def test_epoch_mode_truncates_to_an_epoch() -> None:
    schedule = Phases(phases=[(0, 96), (0.5, 224)], increase_mode="epoch")
    assert schedule.plan(epochs=5, steps_per_epoch=10).stages[-1].start == 20
    with pytest.raises(ValueError, match="steps_per_epoch"):
        schedule.plan(total_steps=10)


def test_summary() -> None:
    schedule = Phases(phases=[(0, 128), (14, 224), (32, 288)])
    assert schedule.plan(epochs=35, steps_per_epoch=10).summary() == (
        "128x128 until epoch 14, 224x224 until epoch 32, then 288x288"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"phases": []}, "list of .when, size. pairs"),
        ({"phases": 224}, "list of .when, size. pairs"),
        ({"phases": [(0, 128, 3)]}, r"pairs, not \(0, 128, 3\)"),
        ({"phases": [224]}, "pairs, not 224"),
        ({"phases": [(1, 128)]}, "must begin at 0, not 1"),
        ({"phases": [(0, 128), (5, 192), (5, 224)]}, "5 does not come after 5"),
        ({"phases": [(0, 128), (0.5, 160), (0.4, 224)]}, "0.4 does not come after 0.5"),
        ({"phases": [(0, 224), (5, 128)]}, "phases=224 is larger than final_size"),
        ({"phases": [(0, 96), (2, 64), (5, 128)]}, r"shrink: \(64, 64\) comes after"),
        (
            {"phases": [(0, 0.5), (5, 0.7)], "final_size": 224},
            "last of phases trains at",
        ),
        ({"phases": [(0, 128), (5, 192)], "final_size": 224}, r"not at final_size"),
        ({"phases": [(0, 128), (5, 225)], "multiple_of": 32}, "not a multiple"),
        ({"phases": [(0, (100, 100)), (5, 224)], "multiple_of": 32}, "not a multiple"),
        ({"phases": [(0, 0.1), (5, 224)], "multiple_of": 32}, "leaves no pixel"),
        ({"phases": [(0, 256), (5, 224)]}, "larger than final_size"),
        ({"phases": [("soon", 128)]}, "phases"),
        ({"phases": [(0, -128)]}, "phases"),
        ({}, "phases"),
    ],
)
def test_bad(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Phases(**fields)  # type: ignore[arg-type]


def test_moments_that_do_not_ascend_in_a_run() -> None:
    schedule = Phases(phases=[(0, 128), (8, 160), (0.5, 224)])
    with pytest.raises(ValueError, match=r"steps 0.5 comes before 8"):
        schedule.plan(epochs=10, steps_per_epoch=10)
    assert schedule.plan(epochs=20, steps_per_epoch=10).stages[-1].start == 100
