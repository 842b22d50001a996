"""A schedule of the user's own, wherever the core takes a schedule."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from upsize.schedule import (
    MultiScale,
    Plan,
    Ramp,
    RandomSize,
    RunLength,
    Schedule,
    Size,
    dump,
    load,
)
from upsize.schedule._base import check_schedule


class Jump(Schedule):
    """Half size, then full size for the last epochs."""

    last_epochs: int = 2
    final_size: int | None = 32

    def changes(self, run: RunLength, final: Size) -> list[tuple[int, Any]]:
        end = run.total_steps - self.last_epochs * run.epoch_length("last_epochs")
        return [(0, (final.height // 2, final.width // 2)), (end, final)]


class Free(Schedule):
    """Whatever a test wants to change."""

    make: Callable[[RunLength, Size], Iterable[Any]]

    def changes(self, run: RunLength, final: Size) -> Iterable[Any]:
        return self.make(run, final)

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return {}


def free(*changes: Any) -> Plan:
    return Free(make=lambda *_: changes).plan(total_steps=100, final_size=32)


def test_a_plan() -> None:
    plan = Jump().plan(epochs=4, steps_per_epoch=5)
    assert [(a, b, str(size)) for a, b, size in plan.stages] == [
        (0, 10, "16x16"), (10, 20, "32x32"),
    ]  # fmt: skip
    assert plan.schedule == {"class": "Jump", "last_epochs": 2, "final_size": 32}
    assert plan.summary() == "16x16 until epoch 2, then 32x32"
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert hash(plan) == hash(Jump().plan(epochs=4, steps_per_epoch=5))
    assert repr(Jump(last_epochs=3)) == "Jump(last_epochs=3)"
    with pytest.raises(ValueError, match="last_epochs counts epochs"):
        Jump().plan(total_steps=100)


def test_sides_and_pairs_are_sizes_and_steps_may_be_repeated_or_after_the_end() -> None:
    plan = free((0, 8), (0, [16, 12]), (50, 16), (50, (24, 32)), (100, 32), (10**9, 32))
    assert [(a, b, str(size)) for a, b, size in plan.stages] == [
        (0, 50, "16x12"), (50, 100, "24x32"),
    ]  # fmt: skip


pytestmark = pytest.mark.filterwarnings("ignore:the full size .* is never reached")


def test_many_stages_are_counted() -> None:
    plan = free(*((step, 20 + step) for step in range(12)))
    assert plan.summary() == "12 stages: 20x20 first, 31x31 from step 11"


def test_random_sizes() -> None:
    drawn = RandomSize(choices=((16, 16), (32, 32)), every=5, seed=0)
    plan = free((0, 16), (50, drawn))
    assert {plan.size_at(step) for step in range(50, 100)} == set(drawn.choices)
    assert "one of 2 drawn every 5 steps (16x16 to 32x32)" in str(plan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], r"must begin at step 0, not \[\]"),
        ([(1, 16)], r"must begin at step 0, not \(1"),
        ([(0, 16), (9, 20), (8, 32)], "step 8 comes after step 9"),
        ([(0, 32), (9, 16)], "never shrink, not 32x32 to 16x16"),
        ([(0, 33)], "never shrink, not 33x33 to 32x32"),
        ([(0, 0)], "at least 1, .* not 0"),
        ([(0, "16")], "not '16'"),
        ([(0.0, 16)], r"\(step, size\) pairs, such as \(500, 160\), not \(0.0, 16\)"),
        ([16], r"\(step, size\) pairs.* not 16"),
    ],
)
def test_bad_changes_name_the_class(changes: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"changes\(\) of Free: .*{message}"):
        free(*changes)


class TestFullSize:
    def test_of_a_field(self) -> None:
        assert Jump().full_size() == Jump().full_size(32) == (32, 32)
        assert Jump(final_size=None).full_size() is None
        assert Jump(final_size=None).full_size((24, 48)) == (24, 48)
        with pytest.raises(ValueError, match="leave one of them out"):
            Jump().full_size(64)

    def test_of_a_property(self) -> None:
        class Sides(Schedule):
            sides: tuple[int, ...]

            @property
            def final_size(self) -> int:
                return self.sides[-1]

            def changes(self, run: RunLength, final: Size) -> list[tuple[int, int]]:
                return list(enumerate(self.sides))

        assert Sides(sides=(16, 48)).full_size() == (48, 48)
        assert Sides(sides=(16, 48)).plan(total_steps=5).size_at(1) == (48, 48)

    def test_without_either(self) -> None:
        class Constant(Schedule):
            def changes(self, run: RunLength, final: Size) -> list[tuple[int, Size]]:
                return [(0, final)]

        assert Constant().full_size() is None
        assert Constant().plan(total_steps=1, final_size=8).sizes == ((8, 8),)
        with pytest.raises(ValueError, match="give it to Constant or to plan"):
            Constant().plan(total_steps=1)


def test_it_cannot_be_made_without_changes() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Schedule()  # type: ignore[abstract]


def test_before_multiscale() -> None:
    schedule = MultiScale(sizes=[16, 32], every=1, before=Jump())
    plan = schedule.plan(epochs=4, steps_per_epoch=5)
    assert [(a, b, str(size)) for a, b, size in plan.stages] == [
        (0, 10, "16x16"), (10, 20, "16x16 to 32x32"),
    ]  # fmt: skip
    assert plan.schedule["before"] == {
        "class": "Jump", "last_epochs": 2, "final_size": 32,
    }  # fmt: skip
    assert "16x16 until epoch 2, then 32x32\none of 2 sizes" in str(plan)
    with pytest.raises(ValueError, match=r"changes\(\) of Free: must begin at"):
        MultiScale(sizes=[16, 32], before=Free(make=lambda *_: [])).plan(
            total_steps=9, final_size=32
        )


@pytest.mark.parametrize(
    "before", [MultiScale(sizes=[8, 16]), {"kind": "jump"}, {}, "Ramp", 7]
)
def test_what_cannot_stand_before_multiscale(before: Any) -> None:
    with pytest.raises(ValueError, match="must be a schedule that grows"):
        MultiScale(sizes=[16, 32], before=before)


def test_a_subclass_of_a_built_in_is_another_schedule() -> None:
    class Slow(Ramp):
        pass

    plan = Slow(final_size=32).plan(total_steps=10)
    assert plan.schedule["class"] == "Slow"
    assert plan.schedule != Ramp(final_size=32).plan(total_steps=10).schedule
    nested = MultiScale(sizes=[16], before=Slow(final_size=32))
    assert nested.plan(total_steps=10).schedule["before"] == plan.schedule


def test_fields_that_are_not_json() -> None:
    class Odd(Jump):
        value: Any

    with pytest.raises(ValueError, match="Odd cannot be saved with a plan"):
        Odd(value=object()).plan(epochs=4, steps_per_epoch=5)


def test_files_hold_the_built_in_kinds() -> None:
    for schedule in (Jump(), MultiScale(sizes=[16, 32], before=Jump())):
        with pytest.raises(ValueError, match="not a Jump: keep it in Python"):
            dump(schedule)
    ramp = MultiScale(sizes=[16, 32], before=Ramp())
    assert load(json.loads(json.dumps(dump(ramp)))) == ramp


def test_an_adapter_takes_it() -> None:
    check_schedule(Jump(), None)
    with pytest.raises(ValueError, match="leave one of them out"):
        check_schedule(Jump(), 64)
    with pytest.raises(TypeError, match=r"must be a Schedule.*Ramp\(final_size=224\)"):
        check_schedule(lambda step: 32, None)
