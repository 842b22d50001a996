"""The batch grows while images are small, in a plan that counts samples."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from upsize.schedule import Grow, Phases, Plan, Ramp
from upsize.schedule._moved import moved

RAMP = Ramp(final_size=224, increase_by=56)
GROW = Grow(256, batch=64)
PLAN = RAMP.plan(epochs=20, samples_per_epoch=1000, batch_size=GROW)


def test_json_there_and_back() -> None:
    for limit in (256, {112: 256, (168, 168): 128}):
        plan = RAMP.plan(
            epochs=20, samples_per_epoch=1000, batch_size=Grow(limit, batch=64)
        )
        again = Plan.model_validate_json(plan.model_dump_json())
        assert again == plan
        assert hash(again) == hash(plan)


def test_it_says_what_it_does() -> None:
    assert PLAN.batch_sizes == PLAN.stage_batches == (256, 112, 64)
    assert PLAN.plain is not None
    assert PLAN.plain.batch_sizes == (64, 64, 64)
    assert str(PLAN) == (
        "112x112 until epoch 10, then +56 px every 5 epochs, 224x224 from epoch 15\n"
        "batches of up to 256 while images are small, of 64 at full size\n"
        "\n"
        "from step  to step  from epoch  size     batch  share of samples"
        "  share of pixels\n"
        "        0       40           0  112x112    256            50.0 %"
        "           24.2 %\n"
        "       40       85          10  168x168    112            25.0 %"
        "           27.3 %\n"
        "       85      165          15  224x224     64            25.0 %"
        "           48.5 %\n"
        "51.6 % of the pixels of full-size training, in 165 steps instead of 320"
    )


def test_deeply_nested_plans_are_refused_in_no_time() -> None:
    fields: dict[str, Any] = PLAN.model_dump(mode="json")
    text = PLAN.model_dump_json()
    for _ in range(3000):
        fields = {**fields, "plain": fields}
    with pytest.raises(ValidationError):
        Plan.model_validate(fields)
    head = text[: text.index('"plain":') + len('"plain":')]
    with pytest.raises(ValidationError):
        Plan.model_validate_json(head * 3000 + "null" + "}" * 3000)


def test_every_epoch_has_its_samples() -> None:
    for epoch in range(20):
        steps = range(PLAN.epoch_start(epoch), PLAN.epoch_start(epoch + 1))
        assert sum(map(PLAN.batch_at, steps)) == 1000
    assert PLAN.epoch_start(20) == PLAN.total_steps


def test_a_limit_at_the_batch_is_the_plain_plan() -> None:
    plain = RAMP.plan(epochs=20, samples_per_epoch=1000, batch_size=64)
    grow = Grow(64, batch=64)
    assert RAMP.plan(epochs=20, samples_per_epoch=1000, batch_size=grow) == plain
    assert plain.growing(GROW) == PLAN


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"total_steps": 9}, "stages must follow each other"),
        ({"steps_per_epoch": 4}, "steps_per_epoch must be None"),
        ({"samples_per_epoch": 1001}, "samples_per_epoch must be 1000"),
        ({"batch_size": 65}, "batch_size must be 64"),
        ({"grow": None}, "grow and plain belong together"),
        ({"plain": None}, "grow and plain belong together"),
        ({"plain": PLAN}, "plain must be a plan of constant batches"),
        ({"plain": RAMP.plan(total_steps=9)}, "plain must be a plan of constant"),
        ({"grow": Grow(256, batch=32)}, "batch of grow must be 64"),
        ({"grow": Grow(256)}, "batch of grow must be 64"),
        ({"grow": Grow(128, batch=64)}, "must be"),
        ({"stage_batches": (256, 64, 64)}, "stage_batches must be"),
        ({"stage_batches": None}, "stage_batches must be"),
        ({"description": "x"}, "description must be"),
        ({"batch_size": None}, "samples_per_epoch and batch_size belong together"),
    ],
)
def test_a_forged_plan_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Plan(**dict(PLAN) | changed)


@pytest.mark.parametrize("lr", ["sqr", "cosine", 3])
def test_a_scale_of_learning_rates_that_is_not_known(lr: Any) -> None:
    with pytest.raises(
        ValidationError, match=f"'linear' or 'sqrt' or None, not {lr!r}"
    ):
        Grow(256, lr=lr)


def test_a_forged_plain_plan_is_refused() -> None:
    plain = RAMP.plan(epochs=20, samples_per_epoch=1000, batch_size=64)
    with pytest.raises(ValidationError, match="steps_per_epoch must be 16"):
        Plan(**dict(plain) | {"steps_per_epoch": 15})
    with pytest.raises(ValidationError, match="stage_batches must be None"):
        Plan(**dict(plain) | {"stage_batches": (64, 64, 64)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 32, "batch": 64}, "limit=32 is below the batch of 64 images"),
        ({"limit": {112: 32}, "batch": 64}, "limit=32 at 112x112 is below the batch"),
        ({"limit": 0}, "limit must be a whole number of at least 1, not 0"),
        ({"limit": True}, "limit must be a whole number"),
        ({"limit": {}}, "limit must have at least one size"),
        ({"limit": {112: 0}}, "limit at 112x112 must be a whole number"),
        ({"limit": {"x": 8}}, "limit must be images, or a mapping"),
        ({"limit": [1]}, "limit must be images, or a mapping"),
        ({"limit": {112: 8, (112, 112): 9}}, "limit has the size 112x112 twice"),
        (
            {"limit": dict.fromkeys(range(1, 10003), 8)},
            "limit must have at most 500",
        ),
        ({"limit": 8, "batch": 0}, "must be a whole number"),
        ({"limit": 8, "lr": "cosine"}, "'linear' or 'sqrt'"),
    ],
)
def test_a_bad_grow_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Grow(**arguments)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "missing 1 required positional argument: 'limit'; its fields are"),
        ({"limit": 8, "size": 9}, "unexpected keyword argument 'size'; its fields are"),
        ({"limit": 32, "batch": 64}, "limit=32 is below the batch"),
        ({"limit": 0}, "limit must be a whole number of at least 1, not 0"),
        (8, "a valid dictionary or instance of Grow"),
    ],
)
def test_a_bad_grow_in_a_file_is_refused(fields: Any, message: str) -> None:
    plan = PLAN.model_dump(mode="json") | {"grow": fields}
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate(plan)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 2, "samples_per_epoch": 9}, "belong together"),
        ({"epochs": 2, "batch_size": 9}, "belong together"),
        ({"epochs": 2, "batch_size": GROW}, "belong together"),
        (
            {"epochs": 2, "samples_per_epoch": 9, "batch_size": Grow(9)},
            "does not say the batch at full size",
        ),
        (
            {
                "epochs": 2,
                "samples_per_epoch": 100,
                "batch_size": 9,
                "steps_per_epoch": 11,
            },
            "100 in batches of 9 are 12 steps, not steps_per_epoch=11: .* "
            "with drop_last give samples_per_epoch=99",
        ),
    ],
)
def test_a_bad_length_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RAMP.plan(**arguments)


def test_a_plan_without_samples_says_so() -> None:
    plan = RAMP.plan(total_steps=100)
    found = plan.total_samples, plan.batch_sizes, plan.epoch_at(3)
    assert found == (None, None, None)
    assert plan.lr_factor(3) == 1.0
    for method in (plan.batch_at, plan.samples_at, plan.step_at):
        with pytest.raises(ValueError, match="does not know its samples"):
            method(3)
    with pytest.raises(ValueError, match="does not know its samples"):
        plan.growing(GROW)
    with pytest.raises(ValueError, match="does not know its epochs"):
        plan.epoch_start(1)


def test_a_grown_plan_does_not_grow_again() -> None:
    with pytest.raises(ValueError, match="grows already"):
        PLAN.growing(GROW)
    with pytest.raises(ValueError, match="Grow has batch=32"):
        RAMP.plan(epochs=4, samples_per_epoch=9, batch_size=64).growing(
            Grow(256, batch=32)
        )


def test_the_plain_learning_rate_and_the_grown_one() -> None:
    for lr, factor in (("linear", 4.0), ("sqrt", 2.0), (None, 1.0)):
        grow = Grow(256, batch=64, lr=lr)  # type: ignore[arg-type]
        plan = RAMP.plan(epochs=20, samples_per_epoch=1024, batch_size=grow)
        assert plan.lr_factor(0) == factor
        assert plan.lr_factor(plan.total_steps) == 1.0


@pytest.mark.parametrize(
    ("grow", "written"),
    [
        (Grow(256), "Grow(256)"),
        (GROW, "Grow(256, batch=64)"),
        (
            Grow({112: 256, (160, 224): 128}, lr="sqrt"),
            "Grow({112: 256, (160, 224): 128}, lr='sqrt')",
        ),
    ],
)
def test_it_prints_as_the_call_that_makes_it(grow: Grow, written: str) -> None:
    assert repr(grow) == str(grow) == written
    assert eval(written) == grow


def test_pickled_and_copied_it_is_the_same() -> None:
    for plan in (PLAN, copy.deepcopy(PLAN), pickle.loads(pickle.dumps(PLAN))):
        assert plan == PLAN
        assert plan.batch_at(3) == 232


@pytest.mark.parametrize("number", [-1, 1.5])
def test_what_is_no_step_is_refused(number: float) -> None:
    asked: list[Callable[[Any], Any]] = [
        PLAN.batch_at,
        PLAN.samples_at,
        PLAN.step_at,
        PLAN.lr_factor,
        PLAN.epoch_at,
        PLAN.epoch_start,
    ]
    for method in asked:
        with pytest.raises((ValueError, TypeError), match=r"at least 0|float"):
            method(number)


def test_epochs_of_equal_length_have_steps() -> None:
    with pytest.warns(UserWarning, match="never reached"):
        plan = Phases(phases=[(0, 112), (5, 224)]).plan(
            epochs=4, samples_per_epoch=1000, batch_size=GROW
        )
    assert (plan.total_steps, plan.steps_per_epoch, plan.epochs) == (16, 4, 4)
    assert plan.epoch_start(2) == 8


def test_a_run_of_steps_ends_within_an_epoch() -> None:
    """The length counts plain batches: 40 of 64 images are 2 epochs and 8 batches."""
    plan = RAMP.plan(total_steps=40, samples_per_epoch=1000, batch_size=GROW)
    assert plan.plain is not None
    assert plan.plain.total_steps == 40
    assert plan.total_samples == plan.plain.total_samples == 2000 + 8 * 64
    assert plan.samples_at(plan.total_steps) == plan.total_samples
    assert plan.epochs == 2.512
    # After the end, the epoch goes on to its own end.
    assert plan.samples_at(plan.epoch_start(3)) == 3000
    assert plan.samples_at(plan.epoch_start(5)) == 5000


def test_steps_move_to_and_from_plans_without_samples() -> None:
    epochs, steps = (
        RAMP.plan(epochs=20, steps_per_epoch=10),
        RAMP.plan(total_steps=320),
    )
    for epoch in (0, 1, 7, 20):
        assert moved(PLAN.epoch_start(epoch), PLAN, epochs) == 10 * epoch
        assert moved(10 * epoch, epochs, PLAN) == PLAN.epoch_start(epoch)
    assert moved(7, PLAN, steps) == moved(7, steps, PLAN) == 7
    # Without epochs, the plain batches are compared.
    assert PLAN.never_below(steps) == PLAN
    assert PLAN.never_below(epochs) == PLAN


def test_a_longer_run_never_shrinks() -> None:
    longer = RAMP.plan(epochs=40, samples_per_epoch=1000, batch_size=GROW)
    resumed = longer.never_below(PLAN)
    assert resumed.grow == GROW
    assert [str(stage.size) for stage in resumed.stages] == [
        "112x112",
        "168x168",
        "224x224",
    ]
    assert [resumed.epoch_at(stage.start) for stage in resumed.stages] == [0, 10, 15]
    assert resumed.summary().splitlines()[1:] == [
        "never below the sizes of the run that this one resumes",
        "batches of up to 256 while images are small, of 64 at full size",
    ]


def test_shares_by_size_are_those_of_the_samples() -> None:
    assert PLAN.plain is not None
    assert PLAN.share_by_size == PLAN.plain.share_by_size
    assert [float(share) for share in PLAN.share_by_size.values()] == [0.5, 0.25, 0.25]
    steps = RAMP.plan(total_steps=8)
    assert steps.share_by_size == {
        size: count / 8 for size, count in steps.steps_by_size.items()
    }
