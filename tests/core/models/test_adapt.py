"""Adapted models: other sizes work, the own size is the same to the bit, and back."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.core.models.small import (
    ADAPTED,
    FULL,
    PLAN,
    Logits,
    maxvit,
    swin,
    torchvision_maxvit,
    torchvision_vit,
    transformers_vit,
    vit,
)
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.parallel import DistributedDataParallel

from upsize.models import Adaptation, adapt
from upsize.schedule import Ramp, Size

Make = Callable[[], Any]
OTHERS = [(32, 32), (48, 48), (80, 80), (48, 80)]


def images(*size: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, *size, generator=generator)


@pytest.fixture(params=ADAPTED)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Make:
    return ADAPTED[kind][0]


def state(model: nn.Module) -> list[Any]:
    """Everything about a model but the values of its tensors."""
    return [
        (type(module), {**vars(module), "_forward_pre_hooks": {}})
        for module in model.modules()
    ] + [list(module._forward_pre_hooks) for module in model.modules()]


def run(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs and every gradient of a training step, from one seed."""
    torch.manual_seed(0)
    out = model(x)
    parameters = list(model.parameters())
    grads = torch.autograd.grad(out.square().sum(), parameters, allow_unused=True)
    return [out, *(grad for grad in grads if grad is not None)]


def sizes_of(kind: str) -> Iterator[tuple[int, int]]:
    for size in OTHERS:
        if kind != "torchvision_maxvit" or size[0] == size[1]:
            yield size


def test_own_size_is_the_same_to_the_bit(make: Make) -> None:
    model = make()
    x = images(FULL, FULL)
    before = run(model, x)
    with adapt(model):
        after = run(model, x)
        model(images(32, 32))  # what another size leaves behind does not matter
        again = run(model, x)
    assert len(before) == len(after) == len(again)
    assert all(map(torch.equal, before, after))
    assert all(map(torch.equal, before, again))


def test_other_sizes_work_only_when_adapted(make: Make, kind: str) -> None:
    model = make()
    # 32 pixels divide into the windows of the small MaxViT by chance.
    for size in set(sizes_of(kind)) - {(32, 32)}:
        with pytest.raises((AssertionError, ValueError, RuntimeError)):
            model(images(*size))
    with adapt(model):
        for size in sizes_of(kind):
            out = model(images(*size))
            assert out.shape == (2, 4)
            assert out.isfinite().all()
    with pytest.raises((AssertionError, ValueError, RuntimeError)):
        model(images(48, 48))


def test_parameters_are_kept_and_a_checkpoint_loads_without(make: Make) -> None:
    model, fresh = make(), make()
    parameters = list(model.parameters())
    saved = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = adapt(model)
    model(images(32, 32))
    assert [id(p) for p in parameters] == [id(p) for p in model.parameters()]
    assert list(model.state_dict()) == list(saved)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model(images(48, 48)).square().sum().backward()
    optimizer.step()
    fresh.load_state_dict(model.state_dict())
    with torch.no_grad():
        full = images(FULL, FULL)
        assert torch.equal(fresh.eval()(full), model.eval()(full))
    adapted.remove()


def test_trains_through_the_plan(make: Make, kind: str) -> None:
    model = make()
    adapt(model, PLAN)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    labels = torch.tensor([0, 1])
    position = ADAPTED[kind][1]
    losses: dict[Size, list[float]] = {}
    for size in PLAN.sizes:
        for _ in range(8):
            loss = nn.functional.cross_entropy(model(images(*size)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.setdefault(size, []).append(loss.item())
        grads = [
            parameter.grad
            for name, parameter in model.named_parameters()
            if name.endswith(position)
        ]
        assert grads
        assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)
    assert len(losses) == 3
    first, *_, last = losses.values()
    assert last[-1] < 0.7 * first[0]


def test_everything_is_put_back(make: Make) -> None:
    model = make()
    model(images(FULL, FULL))
    before = state(model)
    adapted = adapt(model)
    changed = state(model)
    model(images(32, 32))
    adapted.remove()
    assert changed != before
    assert state(model) == before
    adapted.remove()  # twice is harmless
    assert state(model) == before


def test_an_error_in_the_block_puts_it_back(make: Make) -> None:
    model = make()
    before = state(model)
    with pytest.raises(KeyboardInterrupt), adapt(model):
        raise KeyboardInterrupt
    assert state(model) == before


def test_a_copy_is_adapted_for_itself(make: Make) -> None:
    model = make()
    adapted = adapt(model)
    twin = copy.deepcopy(model)
    adapted.remove()
    x = images(48, 48)
    with pytest.raises((AssertionError, ValueError, RuntimeError)):
        model(x)
    twin(x).square().sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert any(parameter.grad is not None for parameter in twin.parameters())


def test_pickles(make: Make) -> None:
    model = make().eval()
    with adapt(model), io.BytesIO() as file:
        torch.save(model, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=False)
        with torch.no_grad():
            for side in (48, FULL):
                x = images(side, side)
                assert torch.equal(loaded(x), model(x))


@pytest.mark.parametrize(
    ("kind", "dynamic"),
    [
        ("vit", None),
        ("vit", False),
        ("swin", False),
        ("maxvit", False),
        ("torchvision_vit", None),
        ("torchvision_maxvit", False),
        ("transformers_vit", None),
    ],
)
def test_compiles(kind: str, dynamic: bool | None) -> None:
    if kind == "torchvision_vit" and torch.__version__.startswith("2.7."):
        pytest.skip("torch 2.7 cannot trace its own encoder at two shapes")
    model = ADAPTED[kind][0]().eval()
    adapt(model)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", dynamic=dynamic, fullgraph=True)
    before = counters["stats"]["unique_graphs"]
    with torch.no_grad():
        for side in (32, 48, 32):
            x = images(side, side)
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-4)
    # One for each size, and none for what another size left behind.
    assert counters["stats"]["unique_graphs"] - before == 2


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    store = f"file://{tmp_path}/store"
    dist.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("make", [vit, maxvit, torchvision_vit, transformers_vit])
def test_distributed_data_parallel(make: Make, before: bool) -> None:
    model = make()
    if before:
        adapt(model)
    wrapped = DistributedDataParallel(model)
    if not before:
        adapt(wrapped)
    for side in (32, 48):
        wrapped(images(side, side)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_twice_changes_nothing_more(make: Make) -> None:
    model = make()
    first = adapt(model)
    once = state(model)
    second = adapt(model)
    assert state(model) == once
    assert second.multiple_of == first.multiple_of
    second.remove()
    assert state(model) == once
    model(images(32, 32))
    third = adapt(model)
    assert third.multiple_of == first.multiple_of


def test_sizes_of_the_plan_must_fit(make: Make) -> None:
    model = make()
    before = state(model)
    plan = Ramp(final_size=FULL, initial_size=33, increase_by=15).plan(total_steps=9)
    with pytest.raises(ValueError, match=r"not multiples of \d+.*33x33.*multiple_of="):
        adapt(model, plan)
    assert state(model) == before


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = vit(), torchvision_maxvit()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.a(x) + self.b(x)
        return out


def test_models_within_a_model() -> None:
    model = Pair()
    with adapt(model) as adapted:
        assert isinstance(adapted, Adaptation)
        assert len(adapted.notes) == 2
        assert adapted.multiple_of == (16, 16)
        assert str(adapted).splitlines() == [
            "timm VisionTransformer: position embedding interpolated at each size",
            "torchvision MaxVit: as many windows as at its own size, their biases "
            "interpolated; square images only",
            "sizes: multiples of 16",
        ]
        assert model(images(48, 48)).shape == (2, 4)


def test_a_model_that_cannot_be_leaves_the_others_as_they_were() -> None:
    model = Pair()
    model.b = maxvit("T")
    before = state(model)
    with pytest.raises(ValueError, match="CoAtNet"):
        adapt(model)
    assert state(model) == before


def test_unknown_models_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no model that adapt.. knows is in Conv2d"):
        adapt(nn.Conv2d(3, 8, 3))
    with pytest.raises(TypeError, match="model must be a Module, not a str"):
        adapt("vit")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="plan must be a Plan, not a Ramp"):
        adapt(vit(), Ramp())  # type: ignore[arg-type]


def test_frozen_and_random_values_do_not_matter() -> None:
    model = swin()
    model.requires_grad_(False)
    with adapt(model):
        assert not model(images(48, 48)).requires_grad
    assert isinstance(transformers_vit(), Logits)
