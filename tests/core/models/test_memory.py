"""The memory of a step at each size: counted by hand, and compared."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.core.models.small import FULL, PLAN, swin, vit
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from upsize.models import adapt, check
from upsize.models._memory import SavedBytes, memory_kind, peak_memory, spell_bytes
from upsize.schedule import Size

FLOAT = 4


class Net(nn.Module):
    """Saves its images, the result of relu and what the head gets."""

    def __init__(self, channels: int = 8, frozen: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.head = nn.Linear(channels, 2)
        self.register_buffer("shift", torch.zeros(5))
        self.conv.requires_grad_(not frozen)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.conv(images).relu().mean((2, 3)))
        return out


def by_hand(images: int, size: Size, channels: int = 8) -> int:
    weights = channels * 27 + channels + 2 * channels + 2
    pixels = size.height * size.width
    saved = images * (3 * pixels + channels * pixels + channels)
    return FLOAT * (2 * weights + 5 + saved)


@pytest.mark.parametrize("device", [None, "meta"])
@pytest.mark.parametrize("images", [1, 2, 6])
def test_what_is_saved_is_counted(images: int, device: Any) -> None:
    report = check(Net(), PLAN, torch.rand(images, 3, FULL, FULL), device=device)
    assert report.memory_kind == "saved"
    for row in report.rows:
        assert row.memory == by_hand(images, row.size)
    assert "what autograd saves" in str(report)


def frozen() -> tuple[nn.Module, int]:
    # relu saves nothing where nothing before it is trained, nor does its input.
    weights = 8 * 27 + 8 + 18
    pixels = FULL * FULL
    return Net(frozen=True), FLOAT * (weights + 18 + 5 + 4 * (3 * pixels + 8))


def tied() -> tuple[nn.Module, int]:
    """One layer, used twice: its weight counts once."""
    layer = nn.Conv2d(3, 3, 1, bias=False)
    return nn.Sequential(layer, layer), FLOAT * (2 * 9 + 4 * 2 * 3 * FULL * FULL)


def views() -> tuple[nn.Module, int]:
    """Two parts of one result are saved: their storage counts once."""

    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1, bias=False)

        def forward(self, images: Tensor) -> Tensor:
            first, second = self.conv(images).chunk(2, dim=1)
            return first * second

    return Parts(), FLOAT * (2 * 12 + 4 * (3 + 4) * FULL * FULL)


def checkpointed() -> tuple[nn.Module, int]:
    """Of the block only its input is saved."""

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1, bias=False)
            self.block = nn.Sequential(nn.Sigmoid(), nn.Tanh())

        def forward(self, images: Tensor) -> Any:
            out = self.conv(images)
            return checkpoint(self.block, out, use_reentrant=False)

    pixels = FULL * FULL
    return Checkpointed(), FLOAT * (2 * 12 + 4 * (3 + 4) * pixels)


@pytest.mark.parametrize("kind", [frozen, tied, views, checkpointed])
def test_each_storage_counts_once(kind: Callable[[], tuple[nn.Module, int]]) -> None:
    model, expected = kind()
    report = check(model, PLAN, torch.rand(4, 3, FULL, FULL))
    assert report.rows[-1].memory == expected


def test_autocast_saves_half() -> None:
    def forward(model: nn.Module, images: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return model(images)

    images = torch.rand(4, 3, FULL, FULL)
    whole = check(Net(64), PLAN, images).rows[-1].memory
    half = check(Net(64), PLAN, images, forward=forward).rows[-1].memory
    assert whole is not None
    assert half is not None
    assert 0.5 < half / whole < 0.6  # images stay and are copied


@pytest.mark.parametrize("kind", [vit, swin])
def test_transformers_grow_by_the_same_with_each_image(kind: Any) -> None:
    model = kind()
    adapt(model)
    rows = [
        [row.memory for row in check(model, PLAN, torch.rand(n, 3, FULL, FULL)).rows]
        for n in (2, 4, 6)
    ]
    for two, four, six in zip(*rows, strict=True):
        assert six - four == four - two > 0
    assert rows[0] == sorted(rows[0])


def test_transforms_that_cannot_be_watched_are_checked_without() -> None:
    class Vmapped(Net):
        def forward(self, images: Tensor) -> Tensor:
            def of_one(image: Tensor) -> Tensor:
                out: Tensor = self.head(self.conv(image).mean((1, 2))).sum()
                return out

            return images.sum() * torch.func.grad(of_one)(images[0]).sum()

    report = check(Vmapped(), PLAN, torch.rand(2, 3, FULL, FULL))
    assert report.ok, str(report)
    assert [row.memory for row in report.rows] == [None] * 3
    assert "memory" not in str(report)


def test_without_backward_nothing_is_saved() -> None:
    report = check(Net(), PLAN, torch.rand(2, 3, FULL, FULL), backward=False)
    assert [row.memory for row in report.rows] == [None] * 3
    assert report.memory_kind is None
    assert "memory" not in str(report)


def test_what_is_let_go_does_not_count_any_more() -> None:
    x = torch.rand(4, 8, requires_grad=True)
    with SavedBytes([x]) as saved:
        for _ in range(3):
            y = x.exp()
            assert saved.now == 4 * 8 * FLOAT
            del y
            assert saved.now == 0
    assert saved.most == 4 * 8 * FLOAT


def test_peaks_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    device = SimpleNamespace(
        reset_peak_memory_stats=lambda device: calls.append("reset"),
        max_memory_allocated=lambda device: 3 * 2**20,
    )
    monkeypatch.setattr(torch, "get_device_module", lambda _: device)
    cuda = torch.device("cuda", 0)
    assert memory_kind(cuda, backward=False) == "peak"
    assert peak_memory(cuda, lambda: calls.append("run")) == 3 * 2**20
    assert calls == ["reset", "run"]
    del device.reset_peak_memory_stats
    assert memory_kind(cuda, backward=True) == "saved"
    assert memory_kind(cuda, backward=False) is None


def test_bytes_are_spelt_as_people_read_them() -> None:
    counts = 0, 1023, 1024, 10 * 1024, 2**40
    assert [spell_bytes(count) for count in counts] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "10 KiB",
        "1024 GiB",
    ]


def test_tensors_without_a_storage_are_checked_and_not_counted() -> None:
    class Sparse(Net):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("graph", torch.eye(8).to_sparse())

        def forward(self, images: Tensor) -> Tensor:
            features = self.conv(images).mean((2, 3))
            out: Tensor = self.head(torch.sparse.mm(self.graph, features.t()).t())
            return out

    class Made(Net):
        """Makes what is sparse anew, in each forward."""

        def forward(self, images: Tensor) -> Tensor:
            features = self.conv(images).mean((2, 3))
            graph = torch.eye(8).to_sparse()
            out: Tensor = self.head(torch.sparse.mm(graph, features.t()).t())
            return out

    for kind in (Sparse, Made):
        report = check(kind(), PLAN, torch.rand(2, 3, FULL, FULL))
        assert report.ok, str(report)
        assert [row.memory for row in report.rows] == [None] * 3
