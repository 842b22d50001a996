"""The schedule for a share of the time."""

from __future__ import annotations

import pytest
from tests.core.forecast.made import by_pixels, cost, forecast

from upsize.forecast import Costs
from upsize.schedule import Ramp, Size

LENGTH = {"epochs": 8, "steps_per_epoch": 100}


@pytest.mark.parametrize("budget", [0.55, 0.6, 0.7, 0.8, 0.9, 0.97])
def test_it_keeps_the_budget_and_no_earlier_finish_does(budget: float) -> None:
    made = forecast(by_pixels(), size_change=0.01)
    ramp = made.suggest(budget, **LENGTH)
    found = made.predict(ramp, **LENGTH)
    assert found.seconds <= budget * found.full_seconds
    for side in (64, 96):
        earlier = Ramp(
            initial_size=side,
            final_size=128,
            start=(float(ramp.finish) - 0.01) / 1.5,
            finish=float(ramp.finish) - 0.01,
            max_sizes=8,
        )
        assert made.predict(earlier, **LENGTH).seconds > budget * found.full_seconds


def test_of_two_with_the_same_share_the_larger_sizes() -> None:
    flat = Costs(sizes=(cost(64, 0.1), cost(96, 0.1), cost(128, 0.4)))
    assert forecast(flat).suggest(0.8, **LENGTH, max_sizes=2).initial_size == 96


def test_its_shape() -> None:
    ramp = forecast(by_pixels()).suggest(0.8, **LENGTH, multiple_of=32, max_sizes=3)
    assert ramp.final_size == 128
    assert float(ramp.start) == pytest.approx(float(ramp.finish) * 2 / 3, abs=1e-4)
    assert ramp.multiple_of == 32
    assert len(ramp.plan(**LENGTH).sizes) <= 3


def test_full_sizes_that_are_no_square() -> None:
    sizes = [Size(48, 64), Size(72, 96), Size(96, 128)]
    costs = tuple(
        cost(1, 0.4 * size.width**2 / 128**2).model_copy(update={"size": size})
        for size in sizes
    )
    made = forecast(Costs(sizes=costs))
    ramp = made.suggest(0.8, total_steps=1000)
    assert ramp.final_size == (96, 128)
    assert made.predict(ramp, total_steps=1000).saving >= 0.2


def test_with_a_sized_loader() -> None:
    slow = by_pixels(0.1, wait=0.3)
    made = forecast(
        slow, sized=Costs(sizes=(*by_pixels().sizes[:-1], slow.at_full_size))
    )
    ramp = made.suggest(0.8, **LENGTH, loading="sized")
    assert made.predict(ramp, **LENGTH, loading="sized").saving >= 0.2


def test_a_budget_that_nothing_keeps() -> None:
    made = forecast(by_pixels(0.1, wait=0.9))
    with pytest.raises(
        ValueError,
        match=r"the cheapest needs 9\d% of full-size time: "
        r"the bottleneck is the loader at every size",
    ):
        made.suggest(0.8, **LENGTH)


@pytest.mark.parametrize("budget", [0, 1, -0.5, 1.5, float("nan")])
def test_budgets_that_are_none(budget: float) -> None:
    with pytest.raises(ValueError, match="budget must be a share between 0 and 1"):
        forecast(by_pixels()).suggest(budget, **LENGTH)


def test_without_a_length() -> None:
    with pytest.raises(ValueError, match="epochs"):
        forecast(by_pixels()).suggest(0.8)
