"""prewarm() compiles what the training then finds compiled; marks make sizes dynamic."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.core.models.small import PLAN, vit
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.parallel import DistributedDataParallel

from upsize.models import PrewarmReport, PrewarmRow, adapt, mark_dynamic, prewarm
from upsize.schedule import Ramp, Size

MANY = Ramp(final_size=32, increase_by=4).plan(total_steps=100)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def compiled(model: nn.Module, **more: Any) -> Any:
    return torch.compile(model, backend="aot_eager", **more)


def graphs() -> int:
    return int(counters["stats"]["unique_graphs"])


def train(model: Any, plan: Any, dynamic: bool = False) -> int:
    """Train a step at each size; return the graphs that it compiled."""
    before = graphs()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for size in plan.sizes:
        x = torch.rand(2, 3, *size)
        if dynamic:
            mark_dynamic(x)
        model(x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return graphs() - before


@pytest.mark.parametrize(
    ("dynamic", "expected"), [(False, [1, 1, 1, 1, 1]), (None, [1, 1, 0, 0, 0])]
)
def test_the_training_compiles_nothing_more(
    dynamic: bool | None, expected: list[int]
) -> None:
    model = compiled(net(), dynamic=dynamic)
    report = prewarm(model, MANY, torch.rand(2, 3, 32, 32))
    assert [row.size for row in report.rows] == list(MANY.sizes)
    assert [row.graphs for row in report.rows] == expected
    assert report.graphs == sum(expected)
    assert report.ok
    assert report.limit == torch._dynamo.config.recompile_limit
    assert train(model, MANY) == 0


def test_leaves_no_trace() -> None:
    inner = net()
    model = compiled(inner)
    model(torch.rand(2, 3, 32, 32)).sum().backward()
    inner[1].eval()
    before = copy.deepcopy(
        [
            model.state_dict(),
            [p.grad for p in model.parameters()],
            torch.get_rng_state(),
        ]
    )
    prewarm(model, MANY, torch.zeros(2, 3, 32, 32))
    after = [
        model.state_dict(),
        [p.grad for p in model.parameters()],
        torch.get_rng_state(),
    ]
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert not inner[1].training
    assert inner[0].training


def test_says_which_sizes_the_limit_forbids() -> None:
    model = compiled(net(), dynamic=False)
    with torch._dynamo.config.patch(recompile_limit=2):
        report = prewarm(model, MANY, torch.rand(2, 3, 32, 32))
        assert [row.compiled for row in report.rows] == [
            True,
            True,
            False,
            False,
            False,
        ]
        assert not report.ok
        assert report.graphs == 2
        assert train(model, MANY) == 0  # and the training goes on uncompiled
    text = str(report)
    assert "24x24  none: the recompile limit is reached  -          -" in text
    assert "recompile limit 2\nsome sizes would run uncompiled: give the sched" in text
    assert "max_sizes=2" in text


def test_one_dynamic_graph_serves_all() -> None:
    model = compiled(net())
    report = prewarm(model, MANY, torch.rand(2, 3, 32, 32), dynamic=True)
    assert [row.graphs for row in report.rows] == [1, 0, 0, 0, 0]
    assert train(model, MANY, dynamic=True) == 0


def test_an_adapted_model() -> None:
    model = vit()
    adapt(model)
    wrapped = compiled(model, dynamic=False)
    report = prewarm(wrapped, PLAN, torch.rand(2, 3, 64, 64))
    assert [row.graphs for row in report.rows] == [1, 1, 1]
    assert train(wrapped, PLAN) == 0


def test_forward_only_and_calls_of_the_users() -> None:
    model = compiled(net(), dynamic=False)
    calls: list[Any] = []

    def forward(model: nn.Module, batch: Any) -> Tensor:
        calls.append(batch["image"].shape[-1])
        assert not torch.is_grad_enabled()
        out: Tensor = model(batch["image"])
        return out

    batch = {"image": torch.rand(2, 3, 64, 64), "id": "a"}
    assert prewarm(model, PLAN, batch, forward=forward, backward=False).graphs == 3
    assert calls == [32, 32, 48, 48, 64, 64]


def test_a_compiled_model_that_is_distributed(tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", store, rank=0, world_size=1)
    try:
        model = DistributedDataParallel(compiled(net(), dynamic=False))
        x = torch.rand(2, 3, 64, 64)
        assert prewarm(model, PLAN, x).graphs == 3
        model(x).sum().backward()
    finally:
        torch.distributed.destroy_process_group()


def test_seconds_are_those_of_compilation() -> None:
    rows = (
        PrewarmRow(Size(32, 32), 1, 2.5, 0.5),
        PrewarmRow(Size(64, 64), 0, 0.5, 0.75),
    )
    report = PrewarmReport(rows, 8)
    assert report.seconds == 2.0
    assert str(report).splitlines() == [
        "size   graphs  first (s)  then (s)",
        "32x32  1       2.500      0.500",
        "64x64  0       0.500      0.750",
        "1 graphs, 2.0 s of compilation; recompile limit 8",
    ]


def test_marks_are_on_images_of_the_size() -> None:
    images, mask = torch.rand(2, 3, 32, 24), torch.zeros(2, 32, 24)
    flat, other = torch.rand(32, 24), torch.rand(2, 3, 16, 16)
    batch = {"a": images, "b": [mask, flat, other], "c": "name"}
    assert mark_dynamic(batch, strict=True) is batch
    assert images._dynamo_dynamic_indices == {2, 3}  # type: ignore[attr-defined]
    assert mask._dynamo_dynamic_indices == {1, 2}  # type: ignore[attr-defined]
    assert not hasattr(flat, "_dynamo_dynamic_indices")
    assert not hasattr(other, "_dynamo_dynamic_indices")
    with pytest.raises(ValueError, match="image"):
        mark_dynamic({"c": "name"})


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] == 32:
            return x + 1
        return x * 2


def test_strict_marks_are_an_error_where_the_size_is_fixed() -> None:
    model = compiled(Fixed(), fullgraph=True)
    assert torch.equal(
        model(mark_dynamic(torch.zeros(2, 3, 32, 32))), torch.ones(2, 3, 32, 32)
    )
    torch._dynamo.reset()
    with pytest.raises(Exception, match=r"(?i)dynamic|constraint"):
        model(mark_dynamic(torch.zeros(2, 3, 32, 32), strict=True))


def test_bad_input_is_refused() -> None:
    x = torch.rand(2, 3, 32, 32)
    with pytest.raises(ValueError, match="nothing in the model is compiled"):
        prewarm(net(), MANY, x)
    with pytest.raises(TypeError, match="plan must be a Plan, not a list"):
        prewarm(compiled(net()), [32], x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image"):
        prewarm(compiled(net()), MANY, {"id": "a"})


def test_the_models_own_error_comes_through() -> None:
    with pytest.raises(RuntimeError, match="channels"):
        prewarm(compiled(net()), MANY, torch.rand(2, 4, 32, 32))
