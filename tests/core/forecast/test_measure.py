"""Measured on real loaders: what it finds, and that nothing is left of it."""

from __future__ import annotations

import copy
import time
import warnings
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset
from torchvision.transforms import v2

from upsize.forecast import measure as measure_all
from upsize.loading import current_size, sized
from upsize.resize import Resizer
from upsize.schedule import Ramp, Size

# Larger batches are in test_growing.
measure = partial(measure_all, grow=False)


class Images(Dataset[tuple[Tensor, int]]):
    """Images whose loading takes a time that follows their pixels, and one that stays."""

    def __init__(
        self, count: int = 40, pixels: float = 0.0, fixed: float = 0.0
    ) -> None:
        self.count, self.pixels, self.fixed = count, pixels, fixed
        self.transform = v2.RandomResizedCrop(64)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.transform(torch.rand(3, 70, 70))
        time.sleep(self.fixed + self.pixels * image.shape[-1] ** 2 / 64**2)
        return image, index % 4


class Model(nn.Module):
    """A network whose step sleeps for its pixels."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.1)
        self.linear = nn.Linear(3, 4)
        self.seen: list[Size] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(Size(*images.shape[-2:]))
        time.sleep(self.seconds * images.shape[-1] ** 2 / 64**2)
        found: Tensor = self.linear(self.drop(self.norm(images)).mean((2, 3)))
        return found


def loss(model: nn.Module, batch: Any) -> Tensor:
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels)


def loader_of(data: Dataset[Any], workers: int = 0, **settings: Any) -> DataLoader[Any]:
    values: dict[str, Any] = {"batch_size": 4, "shuffle": True, **settings}
    return DataLoader(data, num_workers=workers, **values)


@pytest.mark.usefixtures("clock")
def test_a_model_that_follows_the_pixels() -> None:
    found = measure(Model(0.2), loader_of(Images()), loss, seconds=4)
    assert [cost.size[0] for cost in found.full.sizes] == [32, 40, 48, 64]
    small, *_, full = found.full.sizes
    assert full.step > 0.2
    assert small.step / full.step == pytest.approx(0.25, abs=0.01)
    assert found.bottleneck() == "the model at every size"
    assert found.final_size == (64, 64)
    assert (found.batch_size, found.workers, found.device) == (4, 0, "cpu")
    prediction = found.predict(
        Ramp(increase_by=16), epochs=4, steps_per_epoch=100, loading="sized"
    )
    assert prediction.saving == pytest.approx(prediction.theoretical_maximum, abs=0.1)


@pytest.mark.usefixtures("clock")
def test_a_loader_that_is_the_bottleneck() -> None:
    # 60 ms a batch at full size, 12 of them whatever the size.
    data = Images(pixels=0.012, fixed=0.003)
    found = measure(Model(), loader_of(data), loss, seconds=2)
    waits = [cost.wait for cost in found.full.sizes]
    assert max(waits) < 1.5 * min(waits)
    assert found.bottleneck() == "the loader at every size"
    assert found.sized is not None
    small, full = found.sized.sizes[0].wait, found.sized.at_full_size.wait
    assert small / full == pytest.approx(0.4, abs=0.02)
    ramp, length = Ramp(increase_by=32), {"epochs": 4, "steps_per_epoch": 100}
    unchanged = found.predict(ramp, **length)
    assert unchanged.saving < 0.1
    assert unchanged.reasons[0].part == "loader"
    assert any("sized(loader, resize)" in text for text in unchanged.advice)
    assert found.predict(ramp, **length, loading="sized").saving > 0.15


class Beside(DataLoader[Any]):
    """Takes 120 ms for a batch, while the model trains on those before it.

    Its worker is real, and has a clock of its own: so the time is that of this process.
    """

    def __iter__(self) -> Any:
        made, taken = 0.0, deque([time.perf_counter()] * 2, maxlen=2)
        for batch in super().__iter__():
            # As soon as it has made the last one, and one of two places is free.
            made = max(made, taken[0]) + 0.12
            time.sleep(max(0.0, made - time.perf_counter()))
            yield batch
            taken.append(time.perf_counter())


@pytest.mark.usefixtures("clock")
def test_workers_load_beside_the_model() -> None:
    # The model takes 240 ms at full size, and 60 at the smallest.
    loader = Beside(Images(), batch_size=4, num_workers=1, persistent_workers=True)
    found = measure(Model(0.24), loader, loss, seconds=6)
    small, full = found.full.sizes[0], found.full.at_full_size
    assert found.workers == 1
    assert (full.bound_by, small.bound_by) == ("model", "loader")
    assert full.wait == pytest.approx(0, abs=1e-4)
    assert small.wait == pytest.approx(0.12 - 0.06, abs=1e-4)
    assert small.first_batch == pytest.approx(0.12, abs=1e-4)
    assert found.bottleneck().startswith("the loader below ")


@pytest.mark.usefixtures("clock")
def test_windows_are_measured_as_they_will_be_loaded() -> None:
    # Samples are whole at every size, and no transform has to be known.
    data = Images(pixels=0.01)
    data.transform = lambda image: image[:, :64, :64]
    resizer = Resizer(mode="crop")
    found = measure(Model(), loader_of(data), loss, resizer=resizer, seconds=1)
    assert found.sized is not None
    small, full = found.sized.sizes[0].wait, found.sized.at_full_size.wait
    assert small == pytest.approx(full, rel=0.1)


def test_nothing_is_left_of_it() -> None:
    torch.manual_seed(0)
    model = Model().eval()
    model.linear.weight.grad = torch.ones_like(model.linear.weight)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(3)
    loader = loader_of(Images(), generator=generator)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = copy.deepcopy(optimizer.state_dict())
    drawn, random = generator.get_state(), torch.get_rng_state()
    gradient = model.linear.weight.grad
    model_seen = model.seen
    measure(model, loader, loss, optimizer=optimizer, seconds=0.2, grow=True)
    assert model_seen  # it has trained
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert model.linear.weight.grad is gradient
    assert torch.equal(gradient, torch.ones_like(gradient))
    assert model.linear.bias.grad is None
    assert not model.training
    assert optimizer.state_dict() == state
    assert torch.equal(generator.get_state(), drawn)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("failing_step", [3, 9])
def test_nothing_is_left_of_a_failure(failing_step: int) -> None:
    model = Model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    calls = iter(range(100))

    def failing(model: nn.Module, batch: Any) -> Tensor:
        if next(calls) == failing_step:
            raise RuntimeError("this step")
        return loss(model, batch)

    with pytest.raises(RuntimeError, match="this step"):
        measure(model, loader_of(Images()), failing, seconds=0.2)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_sizes_of_a_plan() -> None:
    plan = Ramp(final_size=64, initial_size=24).plan(total_steps=100)
    assert len(plan.sizes) == 11
    found = measure(Model(), loader_of(Images()), loss, plan=plan, seconds=0.1)
    assert [cost.size[0] for cost in found.full.sizes] == [24, 36, 52, 64]
    assert 0 < found.predict(plan).theoretical_maximum < 1
    two = Ramp(final_size=64, increase_by=32).plan(total_steps=100)
    found = measure(Model(), loader_of(Images()), loss, plan=two, seconds=0.1)
    assert [cost.size[0] for cost in found.full.sizes] == [32, 64]


def test_sizes_that_are_named() -> None:
    model = Model()
    found = measure(
        model, loader_of(Images()), loss, sizes=[64, (24, 32), 48], seconds=0.1
    )
    assert [cost.size for cost in found.full.sizes] == [
        (24, 32),
        (48, 48),
        (64, 64),
    ]
    assert set(model.seen) == {(24, 32), (48, 48), (64, 64)}


def test_images_that_have_few_divisors() -> None:
    data = Images()
    data.transform = v2.RandomResizedCrop(51)
    found = measure(Model(), loader_of(data), loss, seconds=0.1)
    sizes = [cost.size[0] for cost in found.full.sizes]
    assert len(sizes) == 4
    assert (sizes[0], sizes[-1]) == (25, 51)


def test_a_final_size_smaller_than_the_images() -> None:
    model = Model()
    measure(model, loader_of(Images()), loss, final_size=48, seconds=0.1)
    assert max(model.seen) == (48, 48)


def test_a_step_of_the_users_own() -> None:
    model, seen = Model(), []

    def step(batch: Any) -> None:
        seen.append(batch[0].shape[-1])
        loss(model, batch).backward()  # type: ignore[no-untyped-call]

    found = measure(model, loader_of(Images()), step=step, seconds=0.1)
    assert set(seen) == {cost.size[0] for cost in found.full.sizes}
    assert model.linear.weight.grad is None


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(4):
            yield torch.rand(3, 64, 64), torch.tensor(0)


def test_what_cannot_be_sized_is_measured_unchanged() -> None:
    stream = DataLoader(Stream(), batch_size=4)  # an epoch of one batch
    found = measure(Model(), stream, loss, seconds=0.1)
    assert found.sized is None
    assert "no transform of Stream has a size" in str(found.not_sized)
    batches = [(torch.rand(4, 3, 64, 64), torch.zeros(4, dtype=torch.long))] * 3
    found = measure(Model(), batches, loss, seconds=0.1)
    assert "must be a torch.utils.data.DataLoader, not a list" in str(found.not_sized)
    assert (found.batch_size, found.workers) == (None, 0)


class Own(Dataset[tuple[Tensor, int]]):
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        told = current_size()
        return torch.rand(3, *(Size(64, 64) if told is None else told.size)), 0


def test_a_dataset_that_is_told_its_size() -> None:
    asked = measure(
        Model(), loader_of(Own()), loss, set_size=lambda data, size: None, seconds=0.1
    )
    assert asked.sized is not None
    with pytest.raises(TypeError, match=r"must be a torch\.utils\.data\.DataLoader"):
        measure(
            Model(),
            [(torch.rand(4, 3, 64, 64), torch.zeros(4, dtype=torch.long))],
            loss,
            set_size=lambda data, size: None,
            seconds=0.1,
        )


@pytest.mark.usefixtures("clock")
def test_the_first_step_at_a_size() -> None:
    model, known = Model(), set()

    def compiling(model: nn.Module, batch: Any) -> Tensor:
        if (size := batch[0].shape[-1]) not in known:
            known.add(size)
            time.sleep(0.1)
        return loss(model, batch)

    found = measure(model, loader_of(Images()), compiling, seconds=0.1)
    assert found.size_change == pytest.approx(0.1, abs=1e-3)


@pytest.mark.usefixtures("clock")
def test_validation() -> None:
    model = Model()
    modes = []

    def watched(model: nn.Module, batch: Any) -> Tensor:
        modes.append(model.training)
        time.sleep(0.01 if model.training else 0.05)
        return loss(model, batch)

    loader = loader_of(Images())
    found = measure(model, loader, watched, validation=loader, seconds=0.1)
    assert found.validation == pytest.approx(10 * 0.05, rel=0.1)
    assert modes.count(False) == 5  # of ten batches
    assert model.training
    one = loader_of(Images(4))
    found = measure(model, loader, watched, validation=one, seconds=0.1)
    assert found.validation == pytest.approx(0.05, rel=0.9)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        (
            {"model": "resnet18"},
            TypeError,
            "model must be a torch.nn.Module, not a str",
        ),
        ({"forward": None}, TypeError, r"give either forward\(model, batch\)"),
        ({"step": print}, TypeError, "give either forward"),
        ({"seconds": 0}, ValueError, "seconds must be more than 0, not 0"),
        ({"seconds": float("nan")}, ValueError, "seconds must be more than 0"),
        ({"loader": []}, ValueError, "the loader is empty"),
        ({"loader": [], "final_size": 64}, ValueError, "the loader is empty"),
        ({"sizes": [64]}, ValueError, "at least one that is smaller than the full"),
        ({"sizes": [32, 96]}, ValueError, "none that is larger"),
        ({"forward": lambda model, batch: 1.5}, TypeError, "a tensor, not a float"),
        (
            {"forward": lambda model, batch: model(batch[0])},
            ValueError,
            r"as one number, not a tensor of shape \(.*\): return loss.mean\(\)",
        ),
        (
            {"forward": lambda model, batch: loss(model, batch).detach()},
            ValueError,
            "has no gradient",
        ),
        ({"validation": iter([])}, TypeError, "validation must have a length"),
        ({"validation": []}, ValueError, "validation is empty"),
    ],
)
def test_what_is_refused(
    changed: dict[str, Any], error: type[Exception], text: str
) -> None:
    values = {
        "model": Model(),
        "loader": loader_of(Images()),
        "forward": loss,
        "seconds": 0.1,
    }
    with pytest.raises(error, match=text):
        measure(**values | changed)


def test_plans_that_do_not_fit() -> None:
    plan = Ramp(final_size=64).plan(total_steps=100)
    loader = loader_of(Images())
    with pytest.raises(ValueError, match="plan and sizes both name the sizes"):
        measure(Model(), loader, loss, plan=plan, sizes=[32])
    with pytest.raises(ValueError, match="is not that of the plan, 64x64"):
        measure(Model(), loader, loss, plan=plan, final_size=48)


def test_an_empty_loader_without_a_known_size() -> None:
    with pytest.raises(ValueError, match="the loader is empty"):
        measure(Model(), [], loss)


def test_a_sized_loader_is_refused() -> None:
    small = sized(loader_of(Images()), Ramp(final_size=64).plan(total_steps=100))
    with pytest.raises(ValueError, match="the loader is sized"):
        measure(Model(), small, loss)


def test_validation_needs_forward() -> None:
    model = Model()
    with pytest.raises(TypeError, match="measured with forward"):
        measure(
            model,
            loader_of(Images()),
            step=lambda batch: None,
            validation=[0],
            seconds=0.1,
        )


def test_a_frozen_part_is_not_trained() -> None:
    model = Model()
    model.norm.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(model, loader_of(Images()), loss, seconds=0.1)
