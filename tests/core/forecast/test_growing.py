"""Larger batches while images are small: what they cost, and what they would save."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from tests.core.forecast.made import by_pixels, cost, forecast
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from upsize.forecast import Costs, Forecast, measure
from upsize.forecast._outcome import compared
from upsize.schedule import Grow, Plan, Ramp, Size

SMALL, MIDDLE, FULL = Size(64, 64), Size(96, 96), Size(128, 128)
RAMP = Ramp(final_size=128, initial_size=64, increase_by=32)
GROW = Grow(128, batch=32)


class Images(Dataset[tuple[Tensor, int]]):
    def __init__(self, count: int = 64, seconds: float = 0.0) -> None:
        self.count, self.seconds = count, seconds

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        time.sleep(self.seconds)
        return torch.zeros(3, 64, 64), index % 4


class Model(nn.Module):
    """A step takes a time that stays, and one that follows the pixels of the batch."""

    def __init__(self, fixed: float, pixels: float) -> None:
        super().__init__()
        self.fixed, self.pixels = fixed, pixels
        self.linear = nn.Linear(3, 4)
        self.seen: set[tuple[int, int]] = set()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.add((len(images), images.shape[-1]))
        time.sleep(self.fixed + self.pixels * images[:, 0].numel() / (4 * 64**2))
        found: Tensor = self.linear(images.mean((2, 3)))
        return found


def loss(model: nn.Module, batch: Any) -> Tensor:
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels)


@pytest.mark.usefixtures("clock")
def test_a_fixed_cost_is_shared_by_more_images() -> None:
    model = Model(fixed=0.3, pixels=0.4)
    loader = DataLoader(Images(), batch_size=4)
    found = measure(model, loader, loss, sizes=[32, 48], seconds=2)
    assert model.seen == {(4, 64), (4, 48), (4, 32), (7, 48), (16, 32)}
    assert found.grow == Grow(16, batch=4)
    assert found.not_grown is None
    assert found.grown is not None
    small, middle, full = found.grown.sizes
    # Of 4 images: a quarter of a step of 16, and 4 of 7.
    assert small.step == pytest.approx((0.3 + 0.4) / 4, rel=1e-3)
    assert middle.step == pytest.approx((0.3 + 0.4 * 7 / 4 * 9 / 16) * 4 / 7, rel=1e-3)
    assert full == found.full.at_full_size
    assert "a step of 16 images of 32x32 takes 1.75 times as long as one of 4" in str(
        found
    )
    assert Forecast.model_validate_json(found.model_dump_json()) == found
    ramp = Ramp(final_size=64, initial_size=32, increase_by=16)
    constant = found.predict(ramp, epochs=8, steps_per_epoch=100)
    plan = ramp.plan(epochs=8, samples_per_epoch=400, batch_size=Grow(16, batch=4))
    grown = found.predict(plan)
    assert grown.full_seconds == pytest.approx(constant.full_seconds)
    assert constant.saving == pytest.approx(0.277, abs=0.01)
    assert grown.saving == pytest.approx(0.483, abs=0.01)
    advice = compared(grown.saving, constant.saving)
    assert f"grow the batch up to 16 images while they are small: {advice}" in (
        constant.advice
    )
    assert not any("grow the batch" in text for text in grown.advice)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("sized", [False, True])
def test_a_loader_that_is_the_bottleneck_gains_nothing(sized: bool) -> None:
    data = Images(seconds=0.1)
    found = measure(
        Model(0.0, 0.01),
        DataLoader(data, batch_size=4),
        loss,
        sizes=[32],
        seconds=2,
        set_size=(lambda dataset, size: None) if sized else None,
    )
    costs = found.costs("sized" if sized else "full", growing=True)
    assert [each.wait for each in costs.sizes] == pytest.approx([0.4, 0.4], rel=1e-3)
    assert costs.sizes[0].first_batch == pytest.approx(0.4, rel=1e-3)
    ramp = Ramp(final_size=64, increase_by=32)
    prediction = found.predict(
        ramp, epochs=4, steps_per_epoch=16, loading="sized" if sized else "full"
    )
    assert any(text.startswith("keep the batch constant") for text in prediction.advice)


def tensors(images: int = 24) -> TensorDataset:
    return TensorDataset(torch.rand(images, 3, 32, 32), torch.zeros(images).long())


def brief(loader: Any, **settings: Any) -> Forecast:
    values = {"sizes": [16], "seconds": 0.01} | settings
    return measure(Model(0.0, 0.0), loader, loss, **values)


def test_the_users_own_limit_and_a_plan() -> None:
    loader = DataLoader(tensors(), batch_size=4)
    assert brief(loader, grow=Grow(8)).grow == Grow(8, batch=4)
    ramp = Ramp(final_size=32, increase_by=16)
    plan = ramp.plan(epochs=4, samples_per_epoch=24, batch_size=Grow(10, batch=4))
    assert brief(loader, sizes=None, plan=plan).grow == Grow(10, batch=4)
    with pytest.raises(ValueError, match="batch=5, but the loader's batches have 4"):
        brief(loader, grow=Grow(8, batch=5))
    with pytest.raises(ValueError, match="limit=3 is below the batch of 4"):
        brief(loader, grow=Grow(3))


@pytest.mark.parametrize("grow", [8, 1, None, "8"])
def test_what_says_no_growth_is_refused(grow: Any) -> None:
    loader = DataLoader(tensors(), batch_size=4)
    with pytest.raises(
        TypeError, match=r"grow must be Grow\(...\), True or False, not"
    ):
        brief(loader, grow=grow)


def test_without() -> None:
    found = brief(DataLoader(tensors(), batch_size=4), grow=False)
    assert (found.grow, found.grown, found.not_grown) == (None, None, None)
    assert "larger batches" not in str(found)
    with pytest.raises(ValueError, match="no growing batch was measured: grow=False"):
        found.costs("full", growing=True)


def refuses(model: nn.Module, batch: Any) -> Tensor:
    if len(batch[0]) != 4:
        raise RuntimeError("made for four\nand nothing else")
    return loss(model, batch)


@pytest.mark.parametrize(
    ("images", "forward", "grow", "text"),
    [
        (24, refuses, True, "16 images of 16x16: RuntimeError: made for four"),
        (8, loss, True, "ValueError: an epoch of the loader has fewer than 16 images"),
        (24, loss, Grow(4), "no batch is larger than 4 images"),
    ],
)
def test_why_it_was_not_measured(
    images: int, forward: Any, grow: Any, text: str
) -> None:
    loader = DataLoader(tensors(images), batch_size=4)
    found = measure(
        Model(0.0, 0.0), loader, forward, sizes=[16], seconds=0.01, grow=grow
    )
    assert found.grow is None
    assert found.grown is None
    assert f"larger batches were not measured: {found.not_grown}" in str(found)
    assert text in str(found)
    prediction = found.predict(
        Ramp(final_size=32, increase_by=16), epochs=2, steps_per_epoch=5
    )
    assert not any("the batch" in text for text in prediction.advice)


def test_loaders_that_do_not_tell_their_batch() -> None:
    batches = [(torch.rand(3, 3, 32, 32), torch.zeros(3).long())] * 9
    assert brief(batches).grow == Grow(12, batch=3)
    listed = [([torch.rand(3, 32, 32)] * 3, torch.zeros(3).long())] * 9
    found = measure(
        Model(0.0, 0.0),
        listed,
        lambda model, batch: loss(model, (torch.stack(batch[0]), batch[1])),
        sizes=[16],
        seconds=0.01,
    )
    assert (found.grow, found.not_grown) == (
        None,
        "images of a batch are not one tensor",
    )


def made(grow: Grow | None = GROW) -> Forecast:
    """Costs whose step does not follow the pixels, unless the batch grows."""
    flat = Costs(sizes=(cost(64, 0.3), cost(96, 0.35), cost(128, 0.4)))
    return forecast(flat, grow=grow, grown=by_pixels())


def plan_of(grow: Grow = GROW) -> Plan:
    return RAMP.plan(epochs=8, samples_per_epoch=3200, batch_size=grow)


def test_a_growing_plan_takes_the_costs_of_growing_batches() -> None:
    found = made().predict(plan_of())
    assert found.full_seconds == pytest.approx(800 * 0.4)
    assert found.saving == pytest.approx(found.theoretical_maximum)
    constant = made().predict(plan_of().plain or plan_of())
    assert constant.saving == pytest.approx((400 * 0.1 + 200 * 0.05) / 320)
    assert (
        "grow the batch up to 128 images while they are small: saves 48.4% instead of "
        "15.6%"
    ) in constant.advice


def test_limits_for_each_size() -> None:
    grow = Grow({SMALL: 100, MIDDLE: 40}, batch=32)
    assert any(
        "up to 100 images" in text
        for text in made(grow).predict(RAMP, epochs=8, steps_per_epoch=100).advice
    )


def test_a_plan_whose_batches_were_not_measured() -> None:
    with pytest.raises(
        ValueError, match=r"64 images in a batch at 64x64, and 128 were"
    ):
        made().predict(plan_of(Grow(64, batch=32)))


def test_a_run_that_grows_is_watched() -> None:
    plan = RAMP.plan(epochs=2, samples_per_epoch=64, batch_size=Grow(16, batch=4))
    grow = Grow(16, batch=4)
    watch = forecast(by_pixels(), grow=grow, grown=by_pixels()).predict(plan).watch()
    for step in range(plan.total_steps):
        shape = (plan.batch_at(step), 3, *plan.size_at(step))
        for _ in watch([torch.zeros(shape)]):
            pass
    report = watch.report()
    assert sum(row.steps for row in report.rows) == 32
    assert {row.size: row.steps for row in report.rows}[SMALL] == 16
    assert "16" in str(report)
