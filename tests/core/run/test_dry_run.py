"""The dry run at full size: it is real, and it leaves no trace."""

from __future__ import annotations

import copy
import random
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

RAMP = Ramp(final_size=32, increase_by=8)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 2))
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("seen", torch.zeros(()))
        self.seen: Tensor
        self.sizes: tuple[Any, ...] = ()

    def forward(self, x: Tensor) -> dict[str, Any]:
        self.sizes = (*self.sizes, x.shape[-2:])
        self.seen = self.seen + 1  # a new tensor in the buffer's place
        random.random()
        np.random.rand()  # noqa: NPY002 - the global state is what must be kept
        x = self.dropout(self.norm(self.conv(x)).relu().mean((2, 3)))
        return {"logits": self.head(x), "labels": [None, torch.ones(2)]}


def trained(steps: int = 2) -> tuple[Net, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(steps):
        model(torch.rand(4, 3, 32, 32))["logits"].sum().backward()
        optimizer.step()
    model.conv.bias.requires_grad_(False)  # type: ignore[union-attr]
    return model, optimizer


def snapshot(model: Net, optimizer: torch.optim.Optimizer) -> list[Any]:
    return copy.deepcopy(
        [
            model.state_dict(),
            optimizer.state_dict(),
            [p.grad for p in model.parameters()],
            model.sizes,
            model.training,
            torch.get_rng_state(),
            random.getstate(),
            list(np.random.get_state()),  # noqa: NPY002
        ]
    )


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, np.ndarray):
        assert (a == b).all()
    else:
        assert a == b


BATCH = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def resize() -> ProgressiveResize:
    return ProgressiveResize(RAMP, total_steps=8)


def test_nothing_changes() -> None:
    model, optimizer = trained()
    before = snapshot(model, optimizer)
    seen = model.seen
    sizes: list[Any] = []
    grads: list[Any] = []
    model.conv.register_forward_hook(
        lambda module, args, out: sizes.append(args[0].shape)
    )
    model.conv.weight.register_hook(grads.append)
    resize().preallocate(model, (BATCH, torch.ones(4)))
    assert sizes == [(4, 3, 32, 32)]  # it ran, at full size
    assert len(grads) == 1  # and backward, too
    assert_same(snapshot(model, optimizer), before)
    assert model.seen is seen


def test_a_run_with_it_equals_one_without() -> None:
    weights = []
    for dry in (False, True):
        model, optimizer = trained(0)
        if dry:
            resize().preallocate(model, BATCH)
            torch.manual_seed(0)
        torch.manual_seed(1)
        for _ in range(2):
            model(torch.rand(4, 3, 32, 32))["logits"].sum().backward()
            optimizer.step()
        weights.append(model.state_dict())
    assert_same(weights[0], weights[1])


def test_a_forward_of_your_own_gets_the_batch_at_full_size() -> None:
    model, optimizer = trained()
    before = snapshot(model, optimizer)
    got: list[Any] = []

    def forward(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        got.append(batch["image"].shape[-2:])
        loss: Tensor = net(batch["image"])["logits"].square().sum()
        return loss

    with pytest.warns(UserWarning, match="images are 48x48"):
        resize().preallocate(
            model, {"image": torch.zeros(4, 3, 48, 48)}, forward=forward
        )
    assert got == [(32, 32)]
    assert_same(snapshot(model, optimizer), before)


def test_an_error_leaves_no_trace_either() -> None:
    model, optimizer = trained()
    before = snapshot(model, optimizer)

    def forward(net: nn.Module, batch: Tensor) -> Tensor:
        net(batch)
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        resize().preallocate(model, BATCH, forward=forward)
    assert_same(snapshot(model, optimizer), before)


def test_out_of_memory_names_the_size() -> None:
    def forward(net: nn.Module, batch: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError) as caught:
        resize().preallocate(Net(), BATCH, forward=forward)
    assert "full size 32x32: lower the batch size" in caught.value.__notes__[0]


def test_without_gradients_it_runs_forward_only() -> None:
    model = Net().requires_grad_(False)
    resize().preallocate(model, BATCH)
    assert model.sizes == ()


def test_inside_no_grad_it_still_runs_backward() -> None:
    model, grads = Net(), []
    model.conv.weight.register_hook(grads.append)
    with torch.no_grad():
        resize().preallocate(model, BATCH)
    assert len(grads) == 1


def test_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(nn.Conv2d):
        pass

    monkeypatch.delitem(sys.modules, "numpy")
    resize().preallocate(Small(3, 2, 3), BATCH)


def test_lazy_parameters_are_refused() -> None:
    model = nn.LazyConv2d(8, 3)
    with pytest.raises(ValueError, match="lazy parameters"):
        resize().preallocate(model, BATCH)


def test_small_images_are_refused() -> None:
    with pytest.raises(ValueError, match="never enlarged"):
        resize().preallocate(Net(), torch.rand(4, 3, 16, 16))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu() -> None:
    model = Net().cuda()
    before = torch.cuda.get_rng_state()
    with torch.autocast("cuda"):
        resize().preallocate(model, torch.rand(4, 3, 32, 32, device="cuda"))
    assert torch.equal(torch.cuda.get_rng_state(), before)


class Hooked(nn.Module):
    """Adds a hook to a part of it with its first call, as models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.is_hooked = nn.Conv2d(3, 2, 3), False
        self.taken: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_hooked:
            self.is_hooked = True
            self.conv.register_forward_hook(lambda *call: self.taken.append(call[2]))
        out: Tensor = self.conv(x)
        return out


def test_hooks_of_a_first_call_are_not_there_twice() -> None:
    model, resize = Hooked(), ProgressiveResize(RAMP, total_steps=4)
    resize.preallocate(model, torch.rand(2, 3, 32, 32))
    model.taken.clear()
    model(torch.rand(2, 3, 32, 32))
    assert len(model.taken) == 1
