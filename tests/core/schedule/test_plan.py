from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from upsize.schedule import (
    IncreaseMode,
    Linear,
    MultiScale,
    Phases,
    Plan,
    Ramp,
    Schedule,
    Size,
    Stage,
    load,
)

PLAN = Ramp(final_size=224, increase_by=56).plan(epochs=20, steps_per_epoch=147)


def test_size_at_every_boundary() -> None:
    for stage in PLAN.stages:
        assert PLAN.size_at(stage.start) == PLAN.size_at(stage.stop - 1) == stage.size
    assert PLAN.size_at(10**12) == (224, 224)


def test_size_at_refuses_what_is_no_step() -> None:
    with pytest.raises(ValueError, match="step must be at least 0, not -1"):
        PLAN.size_at(-1)
    with pytest.raises(TypeError):
        PLAN.size_at(1.5)  # type: ignore[arg-type]


def test_properties() -> None:
    assert (PLAN.epochs, PLAN.total_steps, PLAN.steps_per_epoch) == (20, 2940, 147)
    assert PLAN.sizes == ((112, 112), (168, 168), (224, 224))
    assert PLAN.pixel_share == pytest.approx(0.5 * 0.25 + 0.25 * 0.5625 + 0.25)
    assert isinstance(PLAN.epochs, int)
    assert PLAN.steps_by_size == {(112, 112): 1470, (168, 168): 735, (224, 224): 735}
    assert load(PLAN.schedule) == Ramp(final_size=224, increase_by=56)


def test_a_run_of_steps_has_no_epochs() -> None:
    plan = Ramp(final_size=224).plan(total_steps=10)
    assert plan.epochs is None
    assert plan.steps_per_epoch is None


def test_a_size_that_comes_back_counts_once() -> None:
    before = Phases(phases=[(0, 64), ("10st", 96)])
    plan = MultiScale(sizes=[64, 96], every=1, before=before, start=0.5).plan(
        total_steps=30
    )
    assert plan.steps_by_size == {(64, 64): Fraction(35, 2), (96, 96): Fraction(25, 2)}


@pytest.mark.parametrize(
    ("schedule", "written"),
    [
        (Ramp(), "Ramp()"),
        (
            Ramp(final_size=(24, 32), start="1/2", increase_mode=IncreaseMode.Epoch),
            "Ramp(final_size=(24, 32), start='1/2', increase_mode='epoch')",
        ),
        (
            Phases(phases=[(0, 48), ("1/2", 96)]),
            "Phases(phases=((0, 48), ('1/2', 96)))",
        ),
        (
            MultiScale(sizes=[64, 96], before=Ramp(initial_size=32)),
            "MultiScale(sizes=(64, 96), before=Ramp(initial_size=32))",
        ),
    ],
)
def test_a_schedule_prints_as_the_call_that_makes_it(
    schedule: Schedule, written: str
) -> None:
    assert str(schedule) == repr(schedule) == written
    assert eval(written) == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        Ramp(final_size=(224, 320), start="10ep", finish=15),
        Linear(final_size=224, multiple_of=(32, 16)),
        Phases(phases=[(0, 0.5), ("1/3", (160, 160)), (15, 1.0)], final_size=224),
    ],
)
def test_round_trips(schedule: Any) -> None:
    plan = schedule.plan(epochs=20, steps_per_epoch=10)
    plan.size_at(0)  # what it caches must not tell two plans apart
    for again in (
        Plan.model_validate_json(plan.model_dump_json()),
        Plan.model_validate(plan.model_dump(mode="json")),
        pickle.loads(pickle.dumps(plan)),
    ):
        assert again == plan
        assert isinstance(again.stages[0], Stage)
        assert isinstance(again.stages[0].size, Size)
        assert str(again) == str(plan)
        assert again.size_at(199) == plan.size_at(199)


def test_str_is_summary_and_table() -> None:
    assert str(PLAN) == f"{PLAN.summary()}\n\n{PLAN.table()}"
    without_epochs = Ramp(final_size=64, increase_by=32).plan(total_steps=10)
    assert without_epochs.table().splitlines()[1].split()[2] == "-"


class TestLength:
    @pytest.mark.parametrize(
        ("length", "message"),
        [
            ({}, "length of the run is missing"),
            ({"epochs": 20}, "steps_per_epoch=None"),
            ({"steps_per_epoch": 20}, "epochs=None"),
            ({"epochs": 0, "steps_per_epoch": 5}, "epochs must be a whole number"),
            ({"epochs": -1, "steps_per_epoch": 5}, "epochs .* not -1"),
            ({"epochs": 1.5, "steps_per_epoch": 5}, "epochs .* not 1.5"),
            ({"epochs": 2, "steps_per_epoch": 0}, "steps_per_epoch .* not 0"),
            ({"total_steps": 0}, "total_steps .* at least 1, not 0"),
            ({"total_steps": True}, "total_steps .* not True"),
            ({"epochs": 2, "total_steps": 100}, "both set the length"),
        ],
    )
    def test_bad(self, length: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Ramp(final_size=224).plan(**length)


class TestFinalSize:
    def test_missing(self) -> None:
        with pytest.raises(ValueError, match="final_size is missing: give it to Ramp"):
            Ramp().plan(total_steps=10)

    def test_given_to_either(self) -> None:
        by_plan = Ramp().plan(total_steps=10, final_size=(64, 64))
        assert by_plan.stages == Ramp(final_size=64).plan(total_steps=10).stages
        assert Ramp(final_size=64).plan(total_steps=10, final_size=64)

    def test_given_twice(self) -> None:
        with pytest.raises(
            ValueError, match=r"final_size=\(96, 96\) differs from .*\(64, 64\)"
        ):
            Ramp(final_size=64).plan(total_steps=10, final_size=96)

    def test_bad(self) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            Ramp().plan(total_steps=10, final_size=0)


class TestNeverBelow:
    RAMP = Ramp(final_size=224, increase_by=16)
    OLD = RAMP.plan(epochs=3, steps_per_epoch=100)

    def resumed(self, epochs: int, steps_per_epoch: int = 100) -> tuple[Plan, Plan]:
        fresh = self.RAMP.plan(epochs=epochs, steps_per_epoch=steps_per_epoch)
        return fresh, fresh.never_below(self.OLD)

    def test_a_longer_run_never_shrinks(self) -> None:
        fresh, new = self.resumed(12)
        for step in range(1200):
            assert new.size_at(step) == max(self.OLD.size_at(step), fresh.size_at(step))
        assert (new.total_steps, new.epochs, new.final_size) == (1200, 12, (224, 224))

    def test_a_shorter_run_reaches_full_size_where_the_fresh_one_does(self) -> None:
        old = Ramp(final_size=224).plan(epochs=12, steps_per_epoch=100)
        new = Ramp(final_size=224).plan(epochs=4, steps_per_epoch=100).never_below(old)
        assert new.size_at(299) < (224, 224)
        assert new.size_at(300) == (224, 224)

    def test_a_chain_keeps_what_was_reached(self) -> None:
        _, once = self.resumed(6)
        chained = self.resumed(12)[0].never_below(once)
        assert chained.size_at(220) >= self.OLD.size_at(220)
        assert chained.summary().count("never below") == 1
        again = chained.never_below(self.RAMP.plan(total_steps=100))
        assert again.summary().count("never below") == 1

    def test_of_the_same_length_is_the_same_plan(self) -> None:
        assert self.OLD.never_below(self.OLD) == self.OLD

    @pytest.mark.parametrize("batches", [25, 50, 99, 101, 200, 1000])
    def test_with_another_batch_size_at_the_same_share(self, batches: int) -> None:
        fresh, new = self.resumed(3, batches)
        assert new == fresh
        for done in range(1, 300):
            resumes_at = -(-done * batches // 100)
            assert new.size_at(resumes_at) >= self.OLD.size_at(done - 1)

    def test_with_another_batch_size_and_number_of_epochs_at_the_same_epoch(
        self,
    ) -> None:
        fresh, new = self.resumed(12, 50)
        for step in range(600):
            assert new.size_at(step) == max(
                self.OLD.size_at(2 * step), fresh.size_at(step)
            )

    def test_without_epochs_at_the_same_step(self) -> None:
        fresh = self.RAMP.plan(total_steps=150)
        for step in range(150):
            expected = max(self.OLD.size_at(step), fresh.size_at(step))
            assert fresh.never_below(self.OLD).size_at(step) == expected

    def test_the_summary_says_so(self) -> None:
        fresh, new = self.resumed(12)
        assert new.summary() == (
            f"{fresh.summary()}\nnever below the sizes of the run that this one resumes"
        )
        assert "never below" not in self.OLD.summary()

    def test_another_full_size(self) -> None:
        other = Ramp(final_size=192).plan(total_steps=300)
        with pytest.raises(ValueError, match="full size 224x224, and this one 192x192"):
            other.never_below(self.OLD)


GOOD = {
    "schedule": {"kind": "ramp"},
    "description": "Train.",
    "stages": [[0, 5, [32, 32]], [5, 10, [64, 64]]],
    "total_steps": 10,
    "final_size": [64, 64],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": []}, "follow each other"),
        ({"stages": [[0, 5, [32, 32]], [6, 10, [64, 64]]]}, "follow each other"),
        ({"stages": [[0, 5, [32, 32]], [5, 9, [64, 64]]]}, "from step 0 to 10"),
        ({"stages": [[1, 10, [64, 64]]]}, "from step 0 to 10"),
        (
            {"stages": [[0, 10, [32, 32]], [10, 10, [64, 64]]]},
            "follow each other",
        ),
        ({"stages": [[0, 5, [64, 64]], [5, 10, [32, 32]]]}, "never shrink"),
        ({"stages": [[0, 10, [96, 64]]]}, "never shrink"),
        ({"stages": [[0, 10, [0, 64]]]}, "at least 1 pixel"),
        ({"stages": [[0, 10, "64"]]}, "stages"),
        ({"total_steps": 0}, "total_steps"),
        ({"steps_per_epoch": -1}, "steps_per_epoch"),
        ({"steps_per_epoch": 0}, "steps_per_epoch"),
        ({"total_steps": 10.0}, "total_steps"),
        ({"stages": [["0", 10, [64, 64]]]}, "valid integer"),
        ({"stages": [[0, 10.0, [64, 64]]]}, "valid integer"),
        ({"stages": [[False, 10, [64, 64]]]}, "valid integer"),
        ({"stages": [[0, 10, [64, "64"]]]}, "valid integer"),
        ({"final_size": [64.0, 64]}, "valid integer"),
        ({"schedule": "ramp"}, "schedule"),
        ({"schedule": {"set": {1}}}, "schedule"),
        ({"description": 1}, "description"),
        ({"colour": "blue"}, "not permitted"),
    ],
)
def test_a_corrupt_plan_is_refused(change: dict[str, Any], message: str) -> None:
    assert Plan.model_validate(GOOD).size_at(7) == (64, 64)
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate(GOOD | change)


def test_a_huge_plan_is_small() -> None:
    small = Ramp(final_size=224).plan(total_steps=10**4)
    huge = Ramp(final_size=224).plan(total_steps=10**9)
    assert len(huge.stages) == len(small.stages) == 29
    assert len(pickle.dumps(huge)) < 5000
