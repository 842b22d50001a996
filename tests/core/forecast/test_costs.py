"""What a step costs at each size, and between the measured ones."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.core.forecast.made import by_pixels, cost, forecast

from upsize.forecast import Costs
from upsize.schedule import Grow, Size


def test_measured_sizes_come_back() -> None:
    costs = by_pixels()
    for each in costs.sizes:
        found = costs.at(each.size)
        assert found.size == each.size
        assert found.total == pytest.approx(each.total)


def test_between_them_every_part_follows_the_pixels() -> None:
    low = cost(10, 1.0, 4.0, resize=0.5, first_batch=9.0)
    costs = Costs(sizes=(low, cost(20, 4.0, 1.0, resize=0.0, first_batch=3.0)))
    found = costs.at(Size(10, 25))  # 250 of 100 to 400 pixels
    assert found.size == Size(10, 25)
    assert found.step == pytest.approx(2.5)
    assert found.wait == pytest.approx(2.5)
    assert found.resize == pytest.approx(0.25)
    assert found.first_batch == pytest.approx(6.0)


def test_just_below_the_first_size_its_line_goes_on() -> None:
    costs = by_pixels()
    assert costs.at(Size(62, 62)).step == pytest.approx(0.4 * 62**2 / 128**2)
    steep = Costs(sizes=(cost(100, 0.1), cost(101, 10.0)))
    assert steep.at(Size(96, 96)).step == 0.0  # never less than nothing


@pytest.mark.parametrize("side", [32, 60, 129, 500])
def test_other_sizes_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match=f"{side}x{side} is not between 64x64 and 128"):
        by_pixels().at(Size(side, side))


def test_sizes_must_grow() -> None:
    with pytest.raises(ValidationError, match="sizes must grow"):
        Costs(sizes=(cost(64, 0.1), cost(64, 0.2)))
    with pytest.raises(ValidationError, match="at least 2"):
        Costs(sizes=(cost(64, 0.1),))
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        cost(64, -0.1)


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ((0.0, 0.0, 0.0), "the model at every size"),
        ((9.0, 9.0, 9.0), "the loader at every size"),
        ((9.0, 0.0, 0.0), "the loader below 96 px"),
        ((9.0, 9.0, 0.0), "the loader below 128 px"),
        ((0.0, 0.0, 9.0), "the loader at full size"),
    ],
)
def test_the_bottleneck(waits: tuple[float, ...], expected: str) -> None:
    sizes = [
        cost(side, 0.4, wait) for side, wait in zip((64, 96, 128), waits, strict=True)
    ]
    found = Costs(sizes=tuple(sizes)).bottleneck()
    if "px" not in expected:
        assert found == expected
    else:
        side = int(found.split()[-2])
        assert found.startswith("the loader below ")
        assert int(expected.split()[-2]) - 4 <= side <= int(expected.split()[-2])


def test_the_crossing_is_where_a_quarter_of_the_time_is_waiting() -> None:
    costs = by_pixels(full=0.3, wait=0.1)  # a quarter at full size
    assert costs.sizes[-1].bound_by == "model"
    assert costs.bottleneck() == "the loader below 128 px"
    for side in (64, 96, 127):
        found = costs.at(Size(side, side))
        assert found.wait > 0.25 * found.total


SMALL = Costs(sizes=(cost(32, 0.1), cost(128, 0.4)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sized": SMALL}, "sized must have the sizes of full, 64x64, 96x96, 128x128"),
        ({"grown": SMALL, "grow": Grow(64, batch=32)}, "grown must have the sizes"),
        ({"grown": by_pixels()}, "grown needs grow"),
        ({"final_size": (96, 96)}, "final_size must be .*128x128, not 96x96"),
        ({"full": by_pixels(0.0)}, "full must take time at the full size"),
    ],
)
def test_costs_that_contradict_each_other(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forecast(**{"full": by_pixels()} | values)
