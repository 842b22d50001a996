"""The largest batch at each size: against a count by hand, and against real steps."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.core.models.small import FULL, PLAN, vit
from torch import Tensor, nn

from upsize.loop import ProgressiveResize
from upsize.models import SuggestedBatches, adapt, check, suggest_batches
from upsize.models._largest import extrapolate, search
from upsize.models._probe import Probe, with_images
from upsize.resize import Resizer
from upsize.schedule import Grow, Ramp, Size

MIB = 2**20


class Net(nn.Module):
    """Takes sides that are multiples of 16, and notes the batches that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 2)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] % 16:
            raise ValueError("not a multiple of 16")
        self.seen.append(tuple(images.shape))
        features = self.norm(self.conv(images)).relu().mean((2, 3))
        out: Tensor = self.head(self.drop(features))
        return out


def loss(model: nn.Module, batch: Any) -> Tensor:
    images, labels = batch
    assert len(images) == len(labels)
    return nn.functional.cross_entropy(model(images), labels)


def sample(images: int = 3) -> tuple[Tensor, Tensor]:
    return torch.rand(images, 3, FULL, FULL), torch.zeros(images, dtype=torch.long)


@pytest.mark.parametrize("weight_copies", [0, 2])
def test_the_largest_fits_and_one_more_does_not(weight_copies: int) -> None:
    model = Net()
    limit = 4 * MIB
    found = suggest_batches(
        PLAN, model, sample(), limit, forward=loss, weight_copies=weight_copies
    )
    assert list(found) == list(PLAN.sizes)
    assert max(shape[0] for shape in model.seen) == 4  # nothing large was run
    weights = 4 * sum(p.numel() for p in model.parameters())
    assert found.optimizer == weight_copies * weights
    for row in found.rows:
        assert found[row.size] == row.images

        def memory(images: int, size: Size = row.size) -> int:
            rows = check(model, PLAN, sample(images), forward=loss).rows
            used = {each.size: each.memory for each in rows}[size]
            assert used is not None
            return used + found.optimizer

        assert memory(row.images) == row.memory <= limit
        assert memory(row.images + 1) > limit


def test_of_a_transformer() -> None:
    model = vit()
    adapt(model)
    found = suggest_batches(PLAN, model, sample()[0], 16 * MIB)
    counts = list(found.values())
    assert counts == sorted(counts, reverse=True)
    # A quarter of the pixels, and a little less: weights and the class token stay.
    assert 3 < found[32, 32] / found[64, 64] < 5


def test_it_says_what_it_measured_and_where() -> None:
    found = suggest_batches(PLAN, Net(), sample(), 4 * MIB, forward=loss, most=20)
    assert (found.memory_kind, found.device) == ("saved", "cpu")
    assert found == {size: found[size] for size in PLAN.sizes}
    lines = str(found).splitlines()
    assert lines[0] == "size   images  memory"
    assert "limit 4.0 MiB" in lines[4]
    assert "what autograd saves, without temporary buffers" in lines[5]
    assert lines[6] == "more than most=20 images were not tried"
    assert isinstance(found, SuggestedBatches)
    every = suggest_batches(PLAN, Net(), sample(), 4 * MIB, forward=loss)
    assert "were not tried" not in str(every)
    assert found[32, 32] == 20 < every[32, 32]


def test_it_leaves_no_trace() -> None:
    model, batch = Net(), sample()
    loss(model, batch).backward()
    model.drop.eval()

    def snapshot() -> list[Any]:
        return copy.deepcopy(
            [
                model.state_dict(),
                [p.grad for p in model.parameters()],
                [module.training for module in model.modules()],
                torch.get_rng_state(),
            ]
        )

    before = snapshot()
    suggest_batches(PLAN, model, batch, 4 * MIB, forward=loss)
    torch.testing.assert_close(snapshot(), before, rtol=0, atol=0)
    with pytest.raises(ValueError, match="does not fit"):
        suggest_batches(PLAN, model, batch, 1000, forward=loss)
    torch.testing.assert_close(snapshot(), before, rtol=0, atol=0)


def test_one_image_that_does_not_fit() -> None:
    with pytest.raises(
        ValueError, match=r"one image of 64x64 needs .* more than the lim"
    ):
        suggest_batches(PLAN, Net(), sample(), MIB // 8, forward=loss)


@pytest.mark.parametrize("memory", [0, -1, 0.0, 1.1, True, "1", None, float("nan")])
def test_memory_that_is_neither_a_share_nor_bytes(memory: Any) -> None:
    with pytest.raises(ValueError, match=r"in \(0, 1\], as 0.9, or whole bytes"):
        suggest_batches(PLAN, Net(), sample(), memory, forward=loss)


def test_a_share_of_what_a_cpu_has_says_nothing() -> None:
    with pytest.raises(
        ValueError, match=r"memory=0.9 is a share .* and cpu does not say"
    ):
        suggest_batches(PLAN, Net(), sample(), forward=loss)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"most": 0}, "most must be a whole number"),
        ({"most": None}, "most must be a whole number"),
        ({"weight_copies": -1}, "weight_copies must be a whole number from 0"),
        ({"weight_copies": 1.5}, "weight_copies must be a whole number from 0"),
        ({"weight_copies": True}, "weight_copies must be a whole number from 0"),
        ({"sample": [torch.rand(3, 64, 64)] * 2}, "must be one tensor"),
        (
            {"plan": Ramp(final_size=64, increase_by=8).plan(total_steps=100)},
            "fails with",
        ),
    ],
)
def test_bad_input(settings: dict[str, Any], text: str) -> None:
    values = {"plan": PLAN, "model": Net(), "sample": sample()[0], "memory": MIB}
    with pytest.raises(ValueError, match=text):
        suggest_batches(**values | settings)


def test_what_is_no_plan() -> None:
    with pytest.raises(TypeError, match="plan must be a Plan"):
        suggest_batches(Ramp(final_size=64), Net(), sample())  # type: ignore[arg-type]


def test_a_model_that_cannot_be_watched() -> None:
    class Vmapped(Net):
        def forward(self, images: Tensor) -> Tensor:
            def of_one(image: Tensor) -> Tensor:
                return self.head(self.conv(image).mean((1, 2))).sum()

            return images.sum() * torch.func.grad(of_one)(images[0]).sum()

    with pytest.raises(ValueError, match=r"because it uses torch\.func"):
        suggest_batches(PLAN, Vmapped(), sample()[0], MIB)


class Device:
    """A device of a known memory, which counts what a batch needs."""

    def __init__(self, total: int, held: int, full: bool = False) -> None:
        self.total, self.held, self.emptied, self.full = total, held, 0, full
        self.peak = 0

    def reset_peak_memory_stats(self, _: Any) -> None:
        self.peak = 0

    def max_memory_allocated(self, _: Any) -> int:
        return self.peak

    def memory_reserved(self, _: Any) -> int:
        return self.held

    def mem_get_info(self, _: Any) -> tuple[int, int]:
        return self.total - self.held, 2 * self.total

    def empty_cache(self) -> None:
        self.emptied += 1

    def run(self, batch: Any) -> None:
        images, _, height, width = batch.shape
        self.peak = 10_000 + images * height * width
        if self.peak > self.total or self.full:
            raise torch.OutOfMemoryError("tried to allocate")


def on_device(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    place = SimpleNamespace(type="cuda", index=0)
    monkeypatch.setattr(Probe, "device", place)
    monkeypatch.setattr(torch, "get_device_module", lambda _: device)
    monkeypatch.setattr(Probe, "run", lambda self, batch, size: device.run(batch))


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_real_peaks(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(total=1_000_000, held=200_000)
    on_device(device, monkeypatch)
    found = suggest_batches(PLAN, Net(), sample()[0], share, weight_copies=0, most=2000)
    assert found.memory_kind == "peak"
    assert found.limit == share * 1_000_000
    for row in found.rows:
        pixels = row.size.height * row.size.width
        assert row.images == (found.limit - 10_000) // pixels
        assert row.memory == 10_000 + row.images * pixels
    assert "measured on the device" in str(found)
    assert device.emptied  # what the trials took is given back


def test_a_device_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    on_device(Device(10**6, 0, full=True), monkeypatch)
    with pytest.raises(
        ValueError, match="one image of 64x64 needs more than the limit"
    ):
        suggest_batches(PLAN, Net(), sample()[0])


@pytest.mark.parametrize("most", [1, 2, 3, 100, 1000])
@pytest.mark.parametrize("limit", [0, 9, 10, 11, 25, 500, 999, 10**6])
@pytest.mark.parametrize("wave", [0, 3])
def test_search_finds_the_largest(most: int, limit: int, wave: int) -> None:
    def measure(count: int) -> int | None:
        # Blocks of an allocator: nearly linear, and no memory above a point.
        used = 9 + count + (count * 7 % 5) * wave // 3
        return None if used > 800 else used

    count, used = search(measure, limit, most)
    fitting = [
        n for n in range(1, most + 1) if (m := measure(n)) is not None and m <= limit
    ]
    best = max(fitting, default=0)
    assert best - wave <= count <= best
    assert count in {0, *fitting}
    assert used == measure(max(count, 1))


def test_search_where_bytes_do_not_grow() -> None:
    assert search(lambda _: 5, 10, 64) == (64, 5)
    assert extrapolate(lambda _: 5, 10, 64) == (64, 5)
    assert extrapolate(lambda _: None, 10, 64) == (0, None)


@pytest.mark.parametrize(("limit", "count"), [(5, 0), (19, 0), (20, 1), (45, 3)])
def test_extrapolation(limit: int, count: int) -> None:
    found, used = extrapolate(lambda n: 10 + 10 * n, limit, 100)
    assert (found, used) == (count, 10 + 10 * max(1, count))


def test_what_takes_them() -> None:
    found = suggest_batches(PLAN, Net(), sample(), 4 * MIB, forward=loss)
    grow = Grow(found, batch=2)
    for size in PLAN.sizes:
        pixels = size.height * size.width
        fitting = 2 * FULL**2 // pixels
        assert grow.images_at(size, full=FULL) == min(found[size], fitting)
    resize = ProgressiveResize(
        Ramp(final_size=FULL, increase_by=16, multiple_of=16),
        epochs=8,
        steps_per_epoch=4,
        accumulate=4,
        merge=found,
    )
    batches = [sample(2)] * 4
    seen = [(len(x), resize.loss_weight) for x, _ in resize.batches(batches)]
    assert seen == [(8, 1.0)]


def test_search_ends_after_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsize.models._largest._TRIALS", 2)
    assert search(lambda count: count**3, 10_000, 64) == (4, 64)


def test_labels_that_are_no_tensor_are_not_repeated() -> None:
    batch = with_images(
        {"image": torch.rand(2, 3, 8, 8), "name": "a", "of": 2}, 5, Resizer()
    )
    assert batch["image"].shape[0] == 5
    assert (batch["name"], batch["of"]) == ("a", 2)
