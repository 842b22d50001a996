"""A schedule of the user's own in the loop, in a sized loader, a forecast, a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from matplotlib.figure import Figure
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from upsize.forecast import Costs, Forecast
from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.plot import plot_compare, plot_sizes
from upsize.schedule import MultiScale, RunLength, Schedule, Size


class Squares(Schedule):
    """Three sizes at the squares of shares."""

    def changes(self, run: RunLength, final: Size) -> Iterator[tuple[int, int]]:
        for k, size in enumerate(
            (final.height // 2, 3 * final.height // 4, final.height)
        ):
            yield math.ceil(run.total_steps * k * k / 9), size


PLANNED = [16] * 2 + [24] * 4 + [32] * 6


class Images(Dataset[torch.Tensor]):
    def __init__(self) -> None:
        self.transform = v2.Resize((32, 32))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        image: torch.Tensor = self.transform(torch.rand(3, 40, 40))
        return image


def test_the_loop_and_a_resumed_one() -> None:
    loader = [torch.rand(2, 3, 32, 32) for _ in range(4)]

    def run(epochs: int = 3) -> ProgressiveResize:
        return ProgressiveResize(
            Squares(), epochs=epochs, steps_per_epoch=4, final_size=32
        )

    first = run()
    widths = [images.shape[-1] for _ in range(3) for images in first.batches(loader)]
    assert widths == PLANNED
    again = run()
    again.load_state_dict(first.state_dict())
    assert again.plan == first.plan
    with pytest.warns(UserWarning, match="larger of both plans' sizes"):
        run(30).load_state_dict(first.state_dict())


def test_a_sized_loader() -> None:
    resize = ProgressiveResize(Squares(), epochs=3, steps_per_epoch=4, final_size=32)
    loader = sized(DataLoader(Images(), 2), resize)
    widths = [images.shape[-1] for _ in range(3) for images in resize.batches(loader)]
    assert widths == PLANNED
    assert resize.mismatched == 0


def test_a_forecast() -> None:
    full = {"size": (32, 32), "step": 0.4, "resize": 0, "wait": 0, "first_batch": 0}
    half = {"size": (16, 16), "step": 0.1, "resize": 0, "wait": 0, "first_batch": 0}
    forecast = Forecast(
        device="cpu", batch_size=2, workers=0, cores=2, final_size=(32, 32),
        full=Costs(sizes=(half, full)), sized=None, not_sized="no DataLoader",
        size_change=0.0, validation=None,
    )  # fmt: skip
    prediction = forecast.predict(Squares(), epochs=3, steps_per_epoch=4)
    assert prediction.plan.sizes == ((16, 16), (24, 24), (32, 32))
    mixed = MultiScale(sizes=[16, 32], before=Squares(), every=1, finish=0.9)
    assert forecast.predict(mixed, total_steps=90).plan.final_size == (32, 32)


def test_a_picture() -> None:
    plan = Squares().plan(epochs=3, steps_per_epoch=4, final_size=32)
    (line,) = plot_sizes(plan).lines
    assert list(line.get_ydata()) == [16, 24, 32, 32]
    ax = Figure().subplots()
    assert plot_compare({"own": plan}, ax) is ax
