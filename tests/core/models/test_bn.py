"""update_bn() measures what it says, and leaves everything else alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import swa_utils
from torch.utils.data import DataLoader, TensorDataset

from upsize.models import update_bn
from upsize.resize import Resizer, resize
from upsize.schedule import Ramp

PLAN = Ramp(final_size=32, increase_by=8).plan(total_steps=100)


def net(momentum: float | None = 0.1) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, momentum=momentum),
        nn.Dropout(0.5),
        nn.Conv2d(4, 4, 3),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def data(side: int = 48, count: int = 4) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        (torch.rand(8, 3, side, side, generator=generator), torch.zeros(8))
        for _ in range(count)
    ]


def stats(model: Any) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


@pytest.mark.parametrize("how", [{"size": 32}, {"size": (32, 32)}, {"plan": PLAN}])
def test_is_torchs_at_the_target_size(how: dict[str, Any]) -> None:
    model, other = net(), net()
    loader = data()
    torch.manual_seed(1)
    assert update_bn(model, loader, **how) == 4
    torch.manual_seed(1)
    swa_utils.update_bn([resize(images, 32) for images, _ in loader], other)
    torch.testing.assert_close(stats(model), stats(other), rtol=0, atol=0)
    first = torch.stack([model[0](resize(images, 32)) for images, _ in loader])
    torch.testing.assert_close(model[1].running_mean, first.mean((0, 1, 3, 4)))


def test_the_size_matters() -> None:
    a, b, c = net(), net(), net()
    update_bn(a, data(), size=16)
    update_bn(b, data())
    update_bn(c, data(), size=48)
    assert not torch.allclose(a[1].running_var, b[1].running_var, rtol=0.01)
    torch.testing.assert_close(stats(b), stats(c))


def drift(last: int) -> float:
    """How far the variance is off after ``last`` steps at full size."""
    model = net().train()
    for size, steps in ((16, 100), (32, last)):
        for step in range(steps):
            model(resize(data()[step % 4][0], size))
    trained = model[1].running_var.clone()
    update_bn(model, data(), size=32)
    return float((trained / model[1].running_var - 1).abs().max())


def test_makes_no_difference_after_a_long_last_stage() -> None:
    none, short, long = drift(0), drift(7), drift(90)
    assert none > 0.1
    # With a momentum of 0.1 half of what was is left after 7 steps, 1 % after 44.
    assert 0.3 * none < short < 0.7 * none
    assert long < 0.05 * none


def test_everything_else_is_put_back() -> None:
    model = net().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    model(data()[0][0]).sum().backward()
    grads = copy.deepcopy([p.grad for p in model.parameters()])
    weights = copy.deepcopy(list(model.parameters()))
    before, modes = torch.get_rng_state(), [m.training for m in model.modules()]
    loader = DataLoader(
        TensorDataset(torch.rand(16, 3, 48, 48, generator=torch.Generator())),
        4,
        shuffle=True,
    )
    assert update_bn(model, loader, plan=PLAN, batches=3) == 3
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.training for m in model.modules()] == modes
    assert [model[1].momentum, model[4].momentum] == [0.1, 0.1]
    torch.testing.assert_close([p.grad for p in model.parameters()], grads)
    torch.testing.assert_close(list(model.parameters()), weights)
    assert model[1].num_batches_tracked == 3


def test_an_error_leaves_the_statistics() -> None:
    model = net(momentum=None).eval()
    model[1].running_mean.fill_(7.0)
    before = stats(model)
    with pytest.raises(ValueError, match="images are 24x24 and the size is 32x32"):
        update_bn(model, [*data(), (torch.rand(8, 3, 24, 24), None)], size=32)
    torch.testing.assert_close(stats(model), before)
    assert [model[1].momentum, model[4].momentum] == [None, 0.1]
    assert not any(module.training for module in model.modules())


def test_an_empty_loader_does_not_reset() -> None:
    model = net()
    model[1].running_mean.fill_(7.0)
    with pytest.raises(ValueError, match="the loader is empty"):
        update_bn(model, [], size=32)
    assert model[1].running_mean.eq(7.0).all()


def test_batches_of_any_container() -> None:
    model = net()
    calls = []

    def forward(model: nn.Module, batch: Any) -> Tensor:
        calls.append((batch["id"], batch["image"].shape[-1], model.training))
        out: Tensor = model(batch["image"])
        return out

    loader = [{"id": i, "image": images} for i, (images, _) in enumerate(data())]
    used = update_bn(
        model,
        iter(loader),
        size=32,
        forward=forward,
        resizer=Resizer(images="image"),
        device="cpu",
        batches=2,
    )
    assert used == 2
    assert calls == [(0, 32, True), (1, 32, True)]
    plain = net()
    update_bn(plain, loader[:2], size=32)
    torch.testing.assert_close(model[1].running_mean, plain[1].running_mean)


def test_batches_move_to_the_device() -> None:
    seen = []

    def forward(model: nn.Module, batch: Any) -> None:
        seen.append([tensor.device.type for tensor in batch])

    update_bn(net(), data(count=1), forward=forward, device="meta")
    update_bn(net().to("meta"), data(count=1), forward=forward)
    update_bn(net(), data(count=1), forward=forward)
    assert seen == [["meta"] * 2, ["meta"] * 2, ["cpu"] * 2]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no BatchNorm with running stat"):
        update_bn(nn.Linear(2, 2), data())
    with pytest.raises(ValueError, match="has no BatchNorm"):
        update_bn(nn.BatchNorm2d(3, track_running_stats=False), data())
    with pytest.raises(ValueError, match="give plan or size=32, not both"):
        update_bn(net(), data(), plan=PLAN, size=32)
    with pytest.raises(TypeError, match="plan must be a Plan, not a Ramp"):
        update_bn(net(), data(), plan=Ramp())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batches must be a whole number"):
        update_bn(net(), data(), batches=0)
    with pytest.raises(ValueError, match="must be pixels"):
        update_bn(net(), data(), size=0)
