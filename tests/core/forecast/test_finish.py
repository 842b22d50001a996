"""What a forecast says of ending below the test size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.core.forecast.made import cost, forecast
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.forecast import Costs, Forecast, measure
from upsize.forecast._setup import _spread
from upsize.resize import Resizer
from upsize.schedule import Grow, Ramp, Size

LENGTH = {"epochs": 8, "steps_per_epoch": 100}
RAMP = Ramp(increase_by=16)


def by_pixels(wait: float = 0.0) -> Costs:
    sides = (112, 168, 224)
    return Costs(sizes=tuple(cost(s, 0.4 * (s / 224) ** 2, wait) for s in sides))


def hint(made: Forecast, **more: Any) -> str | None:
    return made.predict(RAMP, **LENGTH, **more).hint


def test_the_time_that_it_saves() -> None:
    found = forecast(by_pixels()).predict(RAMP, **LENGTH)
    cut = Ramp(initial_size=112, final_size=176, increase_by=16, finish=0.75)
    assert found.hint is not None
    assert f"{found.saving:.1%}" in found.hint
    assert "tested at 224x224 may end at 176x176: saves " in found.hint
    assert found.summary().splitlines()[-1] == f"- {found.hint}"
    assert cut.plan(**LENGTH).sizes[-1] == (176, 176)
    then = float(found.hint.partition("saves ")[2].partition("%")[0])
    plan = RAMP.plan(**LENGTH, final_size=224)
    pixels = [min(plan.size_at(step).height, 176) ** 2 for step in range(800)]
    assert then == pytest.approx(100 * (1 - sum(pixels) / 800 / 224**2), abs=0.1)


def test_only_where_it_is_true() -> None:
    assert hint(forecast(by_pixels()), test_size=288) is None
    assert hint(forecast(by_pixels(), images_only=False)) is None
    assert hint(forecast(by_pixels(), images_only=False), test_size=224) is not None
    # Waiting for the loader takes as long at every size: little to gain.
    assert hint(forecast(by_pixels(wait=9.0))) is None
    assert hint(forecast(by_pixels(wait=0.4), by_pixels()), loading="sized") is not None


def test_where_training_takes_longer_it_does_not_save() -> None:
    steps = ((112, 0.6), (168, 0.3), (224, 0.4))
    made = forecast(Costs(sizes=tuple(cost(side, step) for side, step in steps)))
    found = made.predict(RAMP, **LENGTH)
    assert found.saving < 0
    assert "may end at 176x176: takes " in str(found.hint)


def test_a_batch_that_grows() -> None:
    grow = Grow(128, batch=32)
    made = forecast(by_pixels(), grow=grow, grown=by_pixels())
    plan = RAMP.plan(epochs=8, samples_per_epoch=3200, batch_size=grow, final_size=224)
    assert made.predict(plan).hint == made.predict(plan.plain or plan).hint is not None


@pytest.mark.parametrize(
    ("targets", "resizer", "expected"),
    [
        (torch.zeros(8, dtype=torch.long), Resizer(), True),
        (torch.zeros(8, 1, 32, 32), Resizer(targets={1: "mask"}), False),
        (torch.zeros(8, 1, 32, 32), Resizer(images=0, targets={1: "keep"}), True),
        (torch.zeros(8, dtype=torch.long), Resizer(mode="crop"), False),
    ],
)
def test_what_a_batch_holds_is_measured(
    targets: Any, resizer: Resizer, expected: bool
) -> None:
    data = TensorDataset(torch.rand(8, 3, 32, 32), targets)
    made = measure(
        nn.Conv2d(3, 1, 3), DataLoader(data, 4), resizer=resizer, seconds=0.01,
        grow=False, forward=lambda model, batch: model(batch[0]).mean(),
    )  # fmt: skip
    assert made.images_only is expected
    assert Forecast.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("full", [(32, 32), (32, 96), (3, 5)])
def test_images_below_64_pixels_are_measured_from_half_of_their_size(
    full: tuple[int, int],
) -> None:
    below = _spread(Size(*full))
    assert below[0] == (full[0] // 2, full[1] // 2)
    assert len(below) >= min(3, full[0] // 2)
