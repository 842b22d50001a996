"""What sized costs where nothing is small, and what a switch of the size costs.

The same loader with and without it, in turns, on JPEG files of 500 x 375.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.demo._model import small_resnet
from upsize.loading import open_image, sized
from upsize.loading._maker import SampleMaker
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp, Size

IMAGES, BATCH = 96, 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for n in range(IMAGES):
        noise = Image.effect_noise((125, 94), 80).resize((500, 375))
        noise.convert("RGB").save(tmp_path / "a" / f"{n}.jpg", quality=90)
    return tmp_path


def loader(folder: Path, opened: dict[str, Any], workers: int) -> DataLoader[Any]:
    crop = v2.Compose(
        [
            v2.RandomResizedCrop(224),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    return DataLoader(
        ImageFolder(folder, crop, **opened), BATCH, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def seconds(each: DataLoader[Any]) -> float:
    begin = time.perf_counter()
    for _ in each:
        pass
    return time.perf_counter() - begin


@pytest.mark.parametrize("workers", [0, 1])
def test_at_full_size_it_costs_less_than_2_percent(folder: Path, workers: int) -> None:
    torch.set_num_threads(1)
    plain = loader(folder, {}, workers)
    resize = ProgressiveResize(
        Ramp(initial_size=1.0, final_size=224), epochs=99, steps_per_epoch=len(plain)
    )
    same = sized(loader(folder, {}, workers), resize)
    ratios = []
    for _ in range(25):
        one, two = seconds(plain), seconds(same)
        ratios.append(two / one)
    median = statistics.median(ratios)
    spread = statistics.quantiles(ratios, n=4)
    print(
        f"\nsized / plain at full size, {workers} workers: {median:.4f} "
        f"(quartiles {spread[0]:.3f} to {spread[2]:.3f})"
    )


def test_the_lookup_of_transforms(folder: Path) -> None:
    """Below full size the transforms are looked at and set for every batch."""
    data = loader(folder, {}, 0).dataset
    for name, dataset in (
        ("one", data),
        (
            "60 of them",
            ConcatDataset([loader(folder, {}, 0).dataset for _ in range(60)]),
        ),
    ):
        maker = SampleMaker(dataset)
        size, full = Size(112, 112), Size(224, 224)
        begin = time.perf_counter()
        for _ in range(2000):
            maker.samples(list, size, full)
        each = (time.perf_counter() - begin) / 2000
        print(f"\nsizes of the transforms of {name}: {each * 1e6:.0f} us for a batch")


def test_a_switch_of_the_size(folder: Path) -> None:
    """Within an epoch, with a small residual network: the steps around a switch."""
    torch.set_num_threads(1)
    plain = loader(folder, {"loader": open_image}, 1)
    model = small_resnet(3, 4).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    costs = []
    for _ in range(5):
        resize = ProgressiveResize(
            Ramp(final_size=224, initial_size=112, increase_by=112, start="15st",
                 finish="15st"),
            epochs=10, steps_per_epoch=len(plain),
        )  # fmt: skip
        each = sized(plain, resize)
        times: dict[int, list[float]] = {}
        for _ in range(10):
            clock = time.perf_counter()
            for images, labels in resize.batches(each):
                loss = torch.nn.functional.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                now = time.perf_counter()
                times.setdefault(images.shape[-1], []).append(now - clock)
                clock = now
        full = statistics.median(times[224][1:])
        costs.append((times[224][0] - full) / full)
    print(
        f"\nthe first step at a new size took {statistics.median(costs):+.2f} full-size "
        f"steps more than the later ones ({min(costs):+.2f} to {max(costs):+.2f})"
    )
