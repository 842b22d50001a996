"""What only a GPU shows: its kernels, its queue, its memory and its precisions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from upsize.forecast import measure
from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.models import check, suggest_batches
from upsize.resize import Resizer, resize
from upsize.schedule import Grow, Ramp

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GPU = torch.device("cuda")
RAMP = Ramp(final_size=64, initial_size=32, increase_by=16)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 4)
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            self.sizes.append(images.shape[-1])
        return self.head(self.norm(self.conv(images)).relu().mean((2, 3)))


def images(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(0)
    drawn = torch.rand(shape)
    return drawn.to(dtype) if dtype.is_floating_point else (255 * drawn).to(dtype)


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Make an error of whatever waits for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(
    "mode", ["nearest", "nearest-exact", "area", "bilinear", "bicubic"]
)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
def test_pixels_are_those_of_a_cpu(dtype: str, mode: Any, antialias: bool) -> None:
    made = images(2, 3, 50, 70, dtype=getattr(torch, dtype))
    expected = resize(made.float(), (31, 33), mode=mode, antialias=antialias)
    if dtype == "uint8":  # torch's kernel for bytes on a CPU clamps between its passes
        expected = expected.clamp(0, 255).round()
    found = resize(made.to(GPU), (31, 33), mode=mode, antialias=antialias)
    assert found.device.type == "cuda"
    assert found.dtype == made.dtype
    # A unit of uint8, and of the 8 or 11 bits of the half precisions.
    allowed = {"uint8": 1.0, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}[
        dtype
    ]
    assert (found.cpu().float() - expected).abs().max() <= allowed


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_memory_format_is_kept(mode: Any) -> None:
    made = images(4, 3, 64, 64).to(GPU, memory_format=torch.channels_last)
    found = resize(made, 32, mode=mode)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode", ["bilinear", "crop"])
def test_targets_follow_on_the_gpu(mode: Any) -> None:
    batch = {
        "image": images(2, 3, 64, 64),
        "mask": torch.randint(9, (2, 64, 64)),
        "onehot": torch.rand(2, 5, 64, 64) > 0.5,
        "flow": torch.rand(2, 2, 64, 64),
        "boxes": torch.tensor([[[4.0, 8.0, 20.0, 40.0]]] * 2),
        "points": torch.rand(2, 7, 3) * 64,
    }
    targets = {
        "mask": "mask", "onehot": "mask", "flow": "flow", "boxes": "boxes",
        "points": "keypoints",
    }  # fmt: skip
    resizer = Resizer(mode=mode, images="image", targets=targets)
    there = resizer({name: tensor.to(GPU) for name, tensor in batch.items()}, 32)
    here = resizer(batch, 32)
    for name, tensor in here.items():
        assert there[name].device.type == "cuda"
        assert there[name].dtype == tensor.dtype
        torch.testing.assert_close(there[name].cpu(), tensor, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("mode", ["bilinear", "crop"])
def test_no_step_but_the_first_waits_for_the_gpu(mode: Any) -> None:
    batch = {
        "image": torch.rand(4, 3, 64, 64, device=GPU),
        "mask": torch.zeros(4, 64, 64, device=GPU, dtype=torch.int64),
        "flow": torch.zeros(4, 2, 64, 64, device=GPU),
        "points": torch.zeros(4, 7, 3, device=GPU),
        "boxes": tv_tensors.BoundingBoxes(  # type: ignore[call-overload]
            torch.zeros(5, 4, device=GPU), format="XYXY", canvas_size=(64, 64)
        ),
        "label": torch.zeros(4, device=GPU, dtype=torch.int64),
    }
    targets = {"mask": "mask", "flow": "flow", "points": "keypoints"}
    resizer = Resizer(mode=mode, images="image", targets=targets)
    run = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=10, resizer=resizer)
    sizes = []
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            for found in run.batches([batch] * 10):
                if not sizes:  # the first batch is looked at
                    stack.enter_context(no_waiting())
                sizes.append(found["image"].shape[-1])
    assert sizes == planned(run)


def planned(run: ProgressiveResize) -> list[int]:
    return [run.plan.size_at(step).height for step in range(run.plan.total_steps)]


class Data(Dataset[tuple[Tensor, int]]):
    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(images(3, 80, 80)), index % 4

    def __len__(self) -> int:
        return 40


@pytest.mark.parametrize("workers", [0, 2])
def test_sized_loader_with_pinned_memory(workers: int) -> None:
    loader = DataLoader(
        Data(v2.RandomResizedCrop(64, antialias=True)),
        batch_size=4, num_workers=workers, pin_memory=True, drop_last=True,
    )  # fmt: skip
    run = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=len(loader))
    small = sized(loader, run)
    seen = []
    for _ in range(3):
        for pixels, labels in run.batches(small):
            assert pixels.is_pinned()
            seen.append(pixels.to(GPU, non_blocking=True).shape[-1])
            assert len(labels) == 4
    assert seen == planned(run)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_training_under_autocast(dtype: torch.dtype) -> None:
    model = Net().to(GPU, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cuda", enabled=dtype is torch.float16)
    run = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=10)
    batch = images(8, 3, 64, 64).to(GPU, memory_format=torch.channels_last)
    labels = torch.arange(8, device=GPU) % 4
    run.preallocate(model, batch)
    before = [weight.detach().clone() for weight in model.parameters()]
    model.sizes.clear()
    for _ in range(3):
        for pixels, goal in run.batches([(batch, labels)] * 10):
            with torch.autocast("cuda", dtype):
                loss = nn.functional.cross_entropy(model(pixels), goal)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    assert model.sizes == planned(run)
    assert all(weight.isfinite().all() for weight in model.parameters())
    assert any(
        not torch.equal(old, new)
        for old, new in zip(before, model.parameters(), strict=True)
    )


@pytest.mark.parametrize("compile_mode", ["default", "reduce-overhead"])
def test_compiled_models_take_every_size(compile_mode: str) -> None:
    torch.compiler.reset()
    model = Net().to(GPU).eval()
    compiled = torch.compile(model, mode=compile_mode)
    run = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=4)
    batch = images(8, 3, 64, 64).to(GPU)
    with torch.no_grad():
        for _ in range(3):
            for pixels in run.batches([batch] * 4):
                torch.testing.assert_close(
                    compiled(pixels), model(pixels), atol=2e-3, rtol=2e-3
                )


def test_deterministic_algorithms() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        resizer = Resizer(images="image", targets={"mask": "mask", "flow": "flow"})
        batch = {
            "image": images(2, 3, 64, 64).to(GPU),
            "mask": torch.zeros(2, 64, 64, dtype=torch.int64, device=GPU),
            "flow": torch.rand(2, 2, 64, 64, device=GPU),
        }
        assert resizer(batch, 32)["image"].shape[-1] == 32
    finally:
        torch.use_deterministic_algorithms(False)


def test_batches_are_suggested_by_real_peaks() -> None:
    model = Net().to(GPU)
    plan = RAMP.plan(total_steps=30)
    limit = 2**28
    before = torch.cuda.memory_allocated()
    found = suggest_batches(plan, model, images(2, 3, 64, 64).to(GPU), limit, most=4096)
    assert torch.cuda.memory_allocated() == before
    assert found.memory_kind == "peak"
    assert found[32, 32] > 3 * found[64, 64]
    for size, count in found.items():
        torch.cuda.reset_peak_memory_stats()
        model(torch.rand(count, 3, *size, device=GPU)).sum().backward()
        model.zero_grad()
        assert torch.cuda.max_memory_allocated() - before <= limit
        # And not a small part of what fits.
        assert torch.cuda.max_memory_allocated() - before > limit / 2


def test_share_of_the_memory() -> None:
    plan = RAMP.plan(total_steps=30)
    found = suggest_batches(plan, Net().to(GPU), images(2, 3, 64, 64).to(GPU), most=64)
    free, total = torch.cuda.mem_get_info()
    assert 0.5 * free < found.limit <= 0.9 * total
    assert set(found.values()) == {64}


def test_check_counts_peaks() -> None:
    plan = RAMP.plan(total_steps=30)
    report = check(Net().to(GPU), plan, images(8, 3, 64, 64).to(GPU), backward=True)
    assert report.memory_kind == "peak"
    assert "cuda" in str(report)


def test_forecast_times_by_events() -> None:
    model = Net().to(GPU)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(batch: tuple[Tensor, Tensor]) -> None:
        pixels, labels = batch
        loss = nn.functional.cross_entropy(model(pixels.to(GPU)), labels.to(GPU))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    loader = DataLoader(Data(lambda image: image[:, :64, :64]), batch_size=8)
    found = measure(model, loader, step=step, seconds=1.0)
    assert "cuda" in str(found.device)
    prediction = found.predict(RAMP, epochs=4, steps_per_epoch=10)
    assert prediction.saving < 1


def test_grown_batches() -> None:
    loader = DataLoader(Data(v2.Resize((64, 64))), batch_size=4)
    run = ProgressiveResize(
        RAMP, epochs=3, samples_per_epoch=40, batch_size=Grow(16, batch=4)
    )
    small = sized(loader, run)
    model, seen = Net().to(GPU), 0
    for _ in range(3):
        for pixels, labels in run.batches(small):
            model(pixels.to(GPU))
            seen += len(labels)
    assert seen == 120
    assert model.sizes[-1] == 64
