"""ResizeHook on real models, and its limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator, dispatch_model
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.accelerate import ProgressiveResize, ResizeHook
from upsize.schedule import Ramp

RAMP = Ramp(final_size=32, increase_by=8)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.widths: list[int] = []

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.widths.append(images.shape[-1])
        out: Tensor = self.conv(images)
        if labels is not None:
            return nn.functional.cross_entropy(out.mean((2, 3)), labels)
        return out


def parts(accumulate: int = 1, **more: Any) -> tuple[Any, ...]:
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate, **more)
    data = TensorDataset(torch.rand(20, 3, 32, 32), torch.randint(2, (20,)))
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model, optimizer, loader = accelerator.prepare(
        model, optimizer, DataLoader(data, 4)
    )
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False
    )
    return accelerator, model, optimizer, loader, resize


def train(accelerator: Any, model: Any, optimizer: Any, loader: Any) -> None:
    """A loop that knows nothing of upsize."""
    for _ in range(4):
        for images, labels in loader:
            with accelerator.accumulate(model):
                accelerator.backward(model(images, labels=labels))
                optimizer.step()
                optimizer.zero_grad()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loop_that_cannot_be_edited(accumulate: int) -> None:
    accelerator, model, optimizer, loader, resize = parts(accumulate)
    ResizeHook(resize, optimizer).attach(model)
    train(accelerator, model, optimizer, loader)
    steps = [
        epoch * -(-5 // accumulate) + batch // accumulate
        for epoch in range(4)
        for batch in range(5)
    ]
    assert model.widths == [resize.plan.size_at(step).width for step in steps]
    assert len(set(model.widths)) == 3
    assert resize.optimizer_steps == resize.plan.total_steps


def test_evaluation_is_at_full_size() -> None:
    _, model, optimizer, _, resize = parts()
    ResizeHook(resize, optimizer).attach(model)
    assert model(torch.rand(1, 3, 32, 32)).shape[-1] == 16
    model.eval()
    assert model(torch.rand(1, 3, 32, 32)).shape[-1] == 32


class Other(ModelHook):  # type: ignore[misc]
    calls = 0

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return args, kwargs


@pytest.mark.parametrize("chained", [0, 1, 2])
def test_it_leaves_other_hooks_alone(chained: int) -> None:
    _, model, optimizer, _, resize = parts()
    others = [Other() for _ in range(chained)]
    hook = ResizeHook(resize, optimizer)
    for other in others[:1]:
        add_hook_to_module(model, other)
    hook.attach(model)
    with pytest.raises(ValueError, match="on a model already"):
        hook.attach(model)
    for other in others[1:]:
        add_hook_to_module(model, other, append=True)
    images = torch.rand(1, 3, 32, 32)
    assert model(images).shape[-1] == 16
    hook.remove(model)
    assert model(images).shape[-1] == 32
    assert [other.calls for other in others] == [2] * chained
    before = resize.optimizer_steps
    model(images).sum().backward()
    optimizer.step()
    assert resize.optimizer_steps == before  # no longer counted, either
    with pytest.raises(ValueError, match="not on the model"):
        hook.remove(model)


def test_with_a_device_map() -> None:
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    model = dispatch_model(Net(), device_map={"": "cpu"}, main_device="cpu")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    loader = accelerator.prepare(DataLoader(torch.rand(4, 3, 32, 32), 2))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False
    )
    hook = ResizeHook(resize, optimizer)
    hook.attach(model)
    assert model(torch.rand(2, 3, 32, 32)).shape[-1] == 16
    hook.remove(model)
    assert model(torch.rand(2, 3, 32, 32)).shape[-1] == 32


def test_limit_targets_outside_forward_stay_at_full_size() -> None:
    _, model, optimizer, _, resize = parts()
    ResizeHook(resize, optimizer).attach(model)
    out = model(torch.rand(1, 3, 32, 32))
    mask = torch.zeros(1, 32, 32, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="size"):
        nn.functional.cross_entropy(out, mask)


def test_limit_unwrap_in_bf16_loses_a_hook_attached_after_prepare() -> None:
    accelerator, model, optimizer, _, resize = parts(mixed_precision="bf16")
    ResizeHook(resize, optimizer).attach(model)
    images = torch.rand(1, 3, 32, 32)
    assert model(images).shape[-1] == 16
    bare = accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    assert bare(images).shape[-1] == 32  # the documented loss
