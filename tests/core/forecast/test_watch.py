"""After the training: forecast and measurement side by side."""

from __future__ import annotations

import time

import pytest
import torch
from tests.core.forecast.made import by_pixels, cost, forecast

from upsize.forecast import Costs
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

RAMP = Ramp(final_size=128, initial_size=64, increase_by=32)


@pytest.mark.usefixtures("clock")
def test_watched_steps() -> None:
    costs = Costs(sizes=(cost(64, 0.005), cost(96, 0.011), cost(128, 0.02)))
    prediction = forecast(costs).predict(RAMP, epochs=2, steps_per_epoch=8)
    watch = prediction.watch()
    resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=8)
    for _ in range(2):
        for images in watch(resize.batches([torch.rand(2, 3, 128, 128)] * 8)):
            time.sleep(0.02 * images.shape[-1] ** 2 / 128**2)
        time.sleep(0.5)  # a validation is not counted
    found = watch.report()
    assert [(row.size[0], row.steps) for row in found.rows] == [
        (64, 8),
        (96, 4),
        (128, 4),
    ]
    assert [row.forecast for row in found.rows] == pytest.approx([0.005, 0.011, 0.02])
    for row in found.rows:
        assert row.measured == pytest.approx(0.02 * row.size[0] ** 2 / 128**2, rel=0.01)
    assert found.forecast_seconds == pytest.approx(8 * 0.005 + 4 * 0.011 + 4 * 0.02)
    assert found.seconds == pytest.approx(sum(r.steps * r.measured for r in found.rows))
    at_full = found.rows[-1].measured
    assert found.saving == pytest.approx(1 - found.seconds / (16 * at_full))
    assert found.forecast_saving == pytest.approx(
        1 - found.forecast_seconds / (16 * 0.02)
    )
    lines = str(found).splitlines()
    assert lines[1].split()[:3] == ["64x64", "8", "5.0"]
    assert lines[-1].startswith("saving: forecast ")


def test_a_run_that_never_was_at_full_size() -> None:
    watch = forecast(by_pixels()).predict(RAMP, total_steps=100).watch()
    for _ in watch([torch.rand(2, 3, 64, 64)] * 3):
        pass
    found = watch.report()
    assert found.saving is None
    assert "saving" not in str(found)


def test_nothing_watched() -> None:
    watch = forecast(by_pixels()).predict(RAMP, total_steps=100).watch()
    assert list(watch([])) == []
    with pytest.raises(ValueError, match=r"iterate over watch\(batches\)"):
        watch.report()


def test_times_from_elsewhere() -> None:
    prediction = forecast(by_pixels()).predict(RAMP, total_steps=800)
    found = prediction.report(180.0, 300.0)
    assert found.saving == pytest.approx(0.4)
    assert str(found).splitlines() == [
        "forecast 165.0 s, measured 180.0 s (+9.1%)",
        "saving: forecast 48.4%, measured 40.0% (-8.4 points)",
    ]
    assert prediction.report(180.0).saving is None
