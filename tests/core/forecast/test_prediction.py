"""The time of a schedule, and what lies between it and its theoretical maximum."""

from __future__ import annotations

import pytest
from tests.core.forecast.made import by_pixels, cost, forecast

from upsize.forecast import Costs, Forecast, Prediction
from upsize.forecast._parts import step_counts
from upsize.schedule import Grow, MultiScale, Phases, Plan, Ramp

RAMP = Ramp(final_size=128, initial_size=64, increase_by=32)
LENGTH = {"epochs": 8, "steps_per_epoch": 100}


def predict(made: Forecast, loading: str = "full") -> Prediction:
    return made.predict(RAMP, **LENGTH, loading=loading)  # type: ignore[arg-type]


def test_what_follows_the_pixels_saves_the_theoretical_maximum() -> None:
    found = predict(forecast(by_pixels()))
    assert found.theoretical_maximum == pytest.approx(
        1 - (400 / 4 + 200 * 9 / 16 + 200) / 800
    )
    assert found.saving == pytest.approx(found.theoretical_maximum)
    assert found.full_seconds == pytest.approx(800 * 0.4)
    assert found.advice == ()
    assert found.summary().splitlines() == [
        "2 min 45 s instead of 5 min 20 s: saves 48.4% (theoretical maximum: 48.4%)"
    ]


def test_a_run_that_takes_longer() -> None:
    slow = Costs(sizes=(cost(64, 0.8), cost(96, 0.8), cost(128, 0.4)))
    first = predict(forecast(slow)).summary().splitlines()[0]
    assert first == (
        "9 min 20 s instead of 5 min 20 s: takes 75.0% longer (theoretical maximum: "
        "saves 48.4%)"
    )


def test_seconds_by_hand() -> None:
    costs = Costs(
        sizes=(
            cost(64, 1.0, 3.0, resize=0.25, first_batch=5.0),
            cost(96, 2.0, 2.0, resize=0.125, first_batch=4.0),
            cost(128, 4.0, 1.0, first_batch=3.0),
        )
    )
    made = forecast(costs, size_change=7.0, validation=11.0)
    found = predict(made)
    steps = 400 * 4.25 + 200 * 4.125 + 200 * 5.0
    starts = 4 * (5.0 - 3.0) + 2 * (4.0 - 2.0) + 2 * (3.0 - 1.0)
    assert found.seconds == pytest.approx(steps + starts + 2 * 7.0 + 8 * 11.0)
    assert found.full_seconds == pytest.approx(800 * 5.0 + 8 * (3.0 - 1.0) + 8 * 11.0)
    assert found.saving == pytest.approx(1 - found.seconds / found.full_seconds)


@pytest.mark.parametrize(
    ("made", "part", "text"),
    [
        (
            forecast(by_pixels(0.1, wait=0.3)),
            "loader",
            "the bottleneck is the loader at every size",
        ),
        (
            forecast(by_pixels(), size_change=9.0),
            "size change",
            "first step at each of 2 new",
        ),
        (forecast(by_pixels(), validation=30.0), "validation", "is at full size"),
        (
            forecast(by_pixels(first_batch=4.0)),
            "epoch start",
            "first batch of each epoch",
        ),
        (
            forecast(Costs(sizes=(*by_pixels(resize=0.1).sizes[:-1], cost(128, 0.4)))),
            "resize",
            "moved to the device and resized",
        ),
        (
            forecast(Costs(sizes=(cost(64, 0.3), cost(96, 0.35), cost(128, 0.4)))),
            "step",
            "does not follow the pixels: at 64x64 it takes 75% of the full one, for 25%",
        ),
        (
            forecast(Costs(sizes=(cost(64, 0.3), cost(96, 0.3), cost(128, 0.4)))),
            "step",
            "is no faster below 96 px: a fixed cost",
        ),
        (
            forecast(
                Costs(sizes=(cost(64, 0.4), cost(96, 0.4), cost(128, 0.4))),
                device="cuda:0",
            ),
            "step",
            "is no faster below 128 px: launch-bound",
        ),
    ],
)
def test_the_weightiest_reason(made: Forecast, part: str, text: str) -> None:
    found = predict(made)
    assert found.reasons[0].part == part
    assert text in found.reasons[0].text
    difference = sum(reason.share for reason in found.reasons)
    assert difference == pytest.approx(found.theoretical_maximum - found.saving)
    shares = [abs(reason.share) for reason in found.reasons]
    assert shares == sorted(shares, reverse=True)
    first = found.summary().splitlines()[1]
    assert first == (
        f"  saves {100 * found.reasons[0].share:.1f} points less: "
        f"{found.reasons[0].text}"
    )


def test_what_saves_more_than_the_pixels_say() -> None:
    steep = Costs(sizes=(cost(64, 0.01), cost(96, 0.1), cost(128, 0.4)))
    found = predict(forecast(steep))
    assert found.saving > found.theoretical_maximum
    assert found.reasons[0].text == "the model's step shrinks more than the pixels do"
    assert found.summary().splitlines()[1].startswith("  saves ")
    assert " points more: " in found.summary()
    waiting = Costs(sizes=(cost(64, 0.1), cost(96, 0.225), cost(128, 0.4, 0.1)))
    found = predict(forecast(waiting))
    assert found.reasons[0].text == (
        "waiting for the loader shrinks more than the pixels do"
    )


def test_waiting_beside_a_model_that_bounds() -> None:
    costs = Costs(
        sizes=(cost(64, 0.1, 0.02), cost(96, 0.225, 0.02), cost(128, 0.4, 0.02))
    )
    assert predict(forecast(costs)).reasons[0].text == (
        "waiting for the loader, though the model bounds every size"
    )


def advice(made: Forecast, loading: str = "full") -> str:
    return "\n".join(predict(made, loading).advice)


def test_advice_for_the_loader() -> None:
    slow = by_pixels(0.1, wait=0.3)
    small = Costs(sizes=(*by_pixels().sizes[:-1], slow.at_full_size))
    found = forecast(slow, sized=small)
    then, now = predict(found, "sized").saving, predict(found).saving
    assert f"sized(loader, resize): saves {then:.1%} instead of {now:.1%}" in advice(
        found
    )
    assert then > 0.4 > 0.2 > now
    assert "the loader makes full-size images: it is no DataLoader" in advice(
        forecast(slow)
    )
    assert "use num_workers=1 or more" in advice(forecast(slow, workers=0))
    # At 64 px a step takes 0.025 s, and the loader gives a batch each 0.325 s.
    assert "num_workers=13 instead of 1 would keep up" in advice(
        forecast(slow, cores=16)
    )
    assert "13 workers would keep up, of 4 cores: decode less" in advice(forecast(slow))
    assert "num_workers=26 instead of 2" in advice(forecast(slow, workers=2, cores=32))


def test_no_advice_on_workers_where_the_loader_bounds_none_of_the_sizes() -> None:
    costs = Costs(
        sizes=(cost(64, 0.1, 0.03), cost(96, 0.225, 0.06), cost(128, 0.4, 0.0))
    )
    assert "workers" not in advice(forecast(costs))


def test_advice_for_the_sizes() -> None:
    assert "fewer sizes than 3" in advice(forecast(by_pixels(), size_change=9.0))
    flat = Costs(sizes=(cost(64, 0.1), cost(96, 0.1), cost(128, 0.4)))
    assert "initial_size=96: costs 0.0 points" in advice(forecast(flat))
    dear = Costs(sizes=(cost(64, 0.1), cost(96, 0.3), cost(128, 0.2)))
    assert "multiple_of=32: a step at 96x96 takes longer than at 128x128" in advice(
        forecast(dear)
    )
    assert "validate less often" in advice(forecast(by_pixels(), validation=30.0))


def test_advice_for_start_and_finish() -> None:
    half = Costs(sizes=(cost(64, 0.16), cost(96, 0.4), cost(128, 0.4)))
    found = predict(forecast(half))
    assert found.saving < 0.7 * found.theoretical_maximum
    (text,) = [each for each in found.advice if "later start" in each]
    assert "suggest(budget=0.52)" in text


def test_sized_costs_are_those_of_the_sized_loader() -> None:
    slow = by_pixels(0.1, wait=0.3)
    small = Costs(sizes=(*by_pixels().sizes[:-1], slow.at_full_size))
    made = forecast(slow, sized=small)
    found = predict(made, "sized")
    assert found.seconds == pytest.approx(400 * 0.1 + 200 * 0.225 + 200 * 0.4)
    assert found.full_seconds == pytest.approx(800 * 0.4)
    assert not any("sized(" in text for text in found.advice)
    assert made.bottleneck("sized") == "the loader at full size"


def test_what_cannot_be_sized() -> None:
    made = forecast(by_pixels())
    with pytest.raises(ValueError, match="cannot be sized: it is no DataLoader"):
        made.predict(RAMP, **LENGTH, loading="sized")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'smaller'"):
        made.bottleneck("smaller")  # type: ignore[arg-type]


def test_a_plan_has_its_length() -> None:
    plan = RAMP.plan(epochs=8, steps_per_epoch=100)
    made = forecast(by_pixels())
    assert made.predict(plan) == predict(made)
    with pytest.raises(ValueError, match="a plan has its length"):
        made.predict(plan, epochs=3)


def test_a_schedule_without_a_final_size_gets_the_measured_one() -> None:
    made = forecast(by_pixels())
    assert made.predict(Ramp(), total_steps=90).plan.final_size == (128, 128)
    phases = Phases(phases=[(0, 64), ("1/2", 128)])
    assert made.predict(phases, total_steps=90).plan.final_size == (128, 128)


@pytest.mark.parametrize(
    "schedule",
    [
        Phases(phases=[(0, 64), (0.5, 160)]),
        Ramp(final_size=160),
        Ramp(final_size=160).plan(total_steps=90),
    ],
)
def test_a_full_size_above_those_measured_is_named(schedule: Phases | Ramp) -> None:
    length = {} if isinstance(schedule, Plan) else {"total_steps": 90}
    with pytest.raises(ValueError, match="160x160 is not between 64x64 and 128x128"):
        forecast(by_pixels()).predict(schedule, **length)


def test_random_sizes_are_counted_by_their_weights() -> None:
    made = forecast(by_pixels())
    plan = MultiScale(sizes=[64, 96, 128]).plan(total_steps=1000)
    assert isinstance(plan, Plan)
    found = made.predict(plan)
    assert found.saving == pytest.approx(found.theoretical_maximum)


def test_sizes_that_were_not_measured_are_refused() -> None:
    with pytest.raises(ValueError, match=r"measure again with sizes"):
        forecast(by_pixels()).predict(Ramp(initial_size=32), total_steps=100)


def test_to_json_and_back() -> None:
    made = forecast(by_pixels(), sized=by_pixels(wait=0.1), size_change=0.5)
    assert Forecast.model_validate_json(made.model_dump_json()) == made
    found = predict(made)
    assert Prediction.model_validate_json(found.model_dump_json()) == found


def test_the_table() -> None:
    lines = str(forecast(by_pixels(0.4, wait=0.1))).splitlines()
    assert lines[3].split() == ["128x128", "500.0", "400.0", "0.0", "100.0"]
    assert lines[4] == "bound by the loader below 111 px"
    assert lines[5] == "a sized loader was not measured: it is no DataLoader"
    lines = str(forecast(by_pixels(wait=0.1), sized=by_pixels(wait=0.05))).splitlines()
    assert lines[3].split()[-2:] == ["450.0", "50.0"]
    assert lines[-1].startswith("with a sized loader by the loader below ")


def test_long_times() -> None:
    text = str(forecast(by_pixels()).predict(RAMP, epochs=100, steps_per_epoch=500))
    assert text.startswith("2 h 51 min instead of 5 h 33 min")


def test_phases_that_end_above_the_measured_size() -> None:
    phases = Phases(phases=[(0, 64), (0.5, 256)])
    with pytest.raises(ValueError, match="256x256") as caught:
        forecast(by_pixels()).predict(phases, total_steps=90)
    assert "final_size=" not in str(caught.value)


def test_a_plan_whose_batch_grows_begins_as_many_epochs() -> None:
    """Its epochs have different numbers of steps."""
    plan = RAMP.plan(
        epochs=8, samples_per_epoch=1000, batch_size=Grow(40, batch=10), final_size=128
    )
    assert plan.plain is not None
    assert plan.steps_per_epoch is None
    grown, constant = step_counts(plan), step_counts(plan.plain)
    assert [count.starts for count in grown.values()] == [4, 2, 2]
    assert [count.starts for count in constant.values()] == [4, 2, 2]
    assert sum(count.steps for count in grown.values()) == plan.total_steps
