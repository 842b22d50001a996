"""check() tells what works, why not and what instead, and leaves no trace."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
from tests.core.models.small import FULL, PLAN, swin, torchvision_vit, vit
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from upsize.models import CheckReport, CheckRow, adapt, check
from upsize.models._nearest import candidates, common_multiple, nearest
from upsize.resize import Resizer
from upsize.schedule import Phases, Plan, Ramp, Size


class Net(nn.Module):
    """A small network with state of every kind, which notes the sizes that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 2)
        self.seen: list[Any] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.shape[-2:])
        self.check(x)
        random.random()
        np.random.rand()  # noqa: NPY002 - the global state is what must be kept
        out: Tensor = self.head(self.drop(self.norm(self.conv(x)).relu().mean((2, 3))))
        return out

    def check(self, x: Tensor) -> None:
        pass


class Multiples(Net):
    """Takes heights that are multiples of 8 and widths that are multiples of 16."""

    def check(self, x: Tensor) -> None:
        if x.shape[-2] % 8 or x.shape[-1] % 16:
            raise ValueError(f"{x.shape[-2]}x{x.shape[-1]}\nis odd")


class Memory(Net):
    """Has no memory for images above 48 pixels."""

    def check(self, x: Tensor) -> None:
        if x.device.type != "meta" and x.shape[-1] > 48:
            raise torch.OutOfMemoryError("tried to allocate 2 GiB")


class Values(Net):
    """Looks at values, so that it fails on the meta device."""

    def check(self, x: Tensor) -> None:
        if x.sum().item() and x.shape[-1] % 8:
            raise ValueError("no multiple of 8")


class Uncopied(Multiples):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("not to be copied")


def plan(*sizes: Any) -> Plan:
    ends = [(i / len(sizes), size) for i, size in enumerate(sizes)]
    return Phases(phases=ends, final_size=sizes[-1]).plan(total_steps=100)


def sample(*size: int) -> tuple[Tensor, Tensor]:
    return torch.rand(2, 3, *size), torch.zeros(2)


def snapshot(model: nn.Module) -> list[Any]:
    return copy.deepcopy(
        [
            model.state_dict(),
            [p.grad for p in model.parameters()],
            [module.training for module in model.modules()],
            torch.get_rng_state(),
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
        ]
    )


@pytest.mark.parametrize("device", [None, "meta"])
@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("kind", [Net, Multiples])
def test_leaves_no_trace(kind: type[Net], backward: bool, device: Any) -> None:
    model = kind()
    model(torch.rand(2, 3, 64, 64)).sum().backward()
    model.norm.eval()
    batch = sample(64, 64)
    before = snapshot(model)
    report = check(model, plan(20, 32, 64), batch, backward=backward, device=device)
    after = snapshot(model)
    torch.testing.assert_close(after[:4], before[:4], rtol=0, atol=0)
    assert str(after[4:]) == str(before[4:])
    assert report.backward is backward
    assert report.device == (device or "cpu")
    assert report.sizes == ((20, 20), (32, 32), (64, 64))[kind is Multiples :]


def test_runs_the_largest_first_on_the_device() -> None:
    model = Net()
    check(model, PLAN, sample(64, 64))
    assert model.seen == [(64, 64), (48, 48), (32, 32)]


def test_runs_nothing_of_the_model_on_meta() -> None:
    model = Net()
    assert check(model, PLAN, sample(64, 64), device="meta").ok
    assert model.seen == []


def test_runs_backward() -> None:
    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(_ctx: Any, _grad: Tensor) -> Tensor:
            raise RuntimeError("no way back")

    model = nn.Conv2d(3, 8, 3)

    def forward(model: nn.Module, batch: Any) -> Tensor:
        out: Tensor = Backward.apply(model(batch[0]))
        return out

    x = sample(64, 64)
    assert check(model, PLAN, x, forward=forward, backward=False).ok
    report = check(model, PLAN, x, forward=forward)
    assert [row.reason for row in report.rows] == ["RuntimeError: no way back"] * 3


def test_says_why_and_what_instead() -> None:
    report = check(Multiples(), plan((20, 32), (30, 50), (64, 96)), sample(64, 96))
    assert [row.ok for row in report.rows] == [False, False, True]
    assert report.rows[0].nearest == ((16, 32), (24, 32))
    assert report.rows[1].nearest == ((24, 48), (32, 64))
    assert report.rows[1].reason == "ValueError: 30x50\nis odd"
    assert report.multiple_of == (8, 16)
    assert str(report).splitlines() == [
        "size   memory   result",
        "20x32  -        ValueError: 20x32; nearest that works: 16x32 and 24x32",
        "30x50  -        ValueError: 30x50; nearest that works: 24x48 and 32x64",
        "64x96  875 KiB  works",
        "1 of 3 sizes work, forward and backward, device cpu",
        "memory: weights, gradients, batch and what autograd saves, without temporary "
        "buffers",
        "sizes that work: multiples of (8, 16)",
    ]
    with pytest.raises(ValueError, match=r"at 2 of 3[\s\S]*multiple_of=\(8, 16\)"):
        report.raise_if_failed()


def test_works_everywhere() -> None:
    report = check(Net(), PLAN, sample(64, 64))
    report.raise_if_failed()
    assert report.ok
    assert report.sizes == PLAN.sizes
    assert report.multiple_of is None
    assert "\n3 of 3 sizes work" in str(report)


def test_a_model_of_one_size() -> None:
    report = check(torchvision_vit(), PLAN, sample(FULL, FULL))
    assert report.sizes == ((FULL, FULL),)
    assert report.rows[0].nearest == ((FULL, FULL),)
    assert report.multiple_of is None
    with pytest.raises(ValueError, match=r"adapt\(model\), or a schedule of sizes"):
        report.raise_if_failed()


def test_finds_the_patch_of_an_adapted_vit() -> None:
    model = vit()
    adapt(model)
    report = check(model, plan(30, 45, 64), sample(64, 64))
    assert [row.nearest for row in report.rows] == [
        ((24, 24), (32, 32)),
        ((40, 40), (48, 48)),
        (),
    ]
    assert report.multiple_of == (8, 8)


def test_a_rule_must_foretell() -> None:
    class Upto(Net):
        """Multiples of 16, and none above 64."""

        def check(self, x: Tensor) -> None:
            if x.shape[-1] % 16 or x.shape[-1] > 64:
                raise ValueError("too large or odd")

    report = check(Upto(), plan(40, 64), sample(64, 64))
    assert report.rows[0].nearest == ((32, 32), (48, 48))
    assert report.multiple_of is None


def test_reach_bounds_the_search() -> None:
    report = check(Multiples(), plan(60, 64), sample(64, 64), reach=7)
    assert report.rows[0].nearest == ((64, 64),)
    none = check(Multiples(), plan(60, 63), sample(64, 64), reach=7)
    assert none.rows[0].nearest == ()
    assert "nearest that works: none found" in none.table()
    for reach in (0, 1.5):
        with pytest.raises(ValueError, match="reach must be a whole number"):
            check(Net(), PLAN, sample(64, 64), reach=reach)  # type: ignore[arg-type]


def test_each_size_is_tried_once() -> None:
    model = Uncopied()
    check(model, plan(36, 40, 44, 64), sample(64, 64))
    assert len(set(model.seen)) == len(model.seen)
    # 4 planned, the search around those that fail, and two more for the rule.
    assert (34, 34) in model.seen


@pytest.mark.parametrize(("kind", "above"), [(Uncopied, 48), (Values, 40)])
def test_searches_on_the_device_where_meta_cannot_tell(
    kind: type[Net], above: int
) -> None:
    report = check(kind(), plan(36, 64), sample(64, 64))
    assert report.rows[0].nearest == ((32, 32), (above, above))


def test_values_are_not_on_meta() -> None:
    report = check(Values(), plan(32, 64), sample(64, 64), device="meta")
    assert not report.sizes
    assert "meta" in str(report.rows[0].reason)
    with pytest.raises(TypeError, match="not to be copied"):
        check(Uncopied(), plan(32, 64), sample(64, 64), device="meta")


def test_out_of_memory_counts_planned_sizes_only() -> None:
    model = Memory()
    report = check(model, plan(32, 48, 64), sample(64, 64))
    assert report.sizes == ((32, 32), (48, 48))
    assert report.rows[2].reason == "OutOfMemoryError: tried to allocate 2 GiB"
    assert report.rows[2].nearest == ((48, 48),)
    assert report.multiple_of is None
    assert len(model.seen) == 3
    assert check(model, plan(32, 48, 64), sample(64, 64), device="meta").ok


def test_memory_is_in_the_table() -> None:
    rows = (CheckRow(Size(8, 8), memory=5 * 2**20), CheckRow(Size(9, 9), "A: b" * 40))
    report = CheckReport(rows, "cuda:0", False, memory_kind="peak")
    assert report.table().splitlines() == [
        "size  memory   result",
        "8x8   5.0 MiB  works",
        f"9x9   -        {('A: b' * 40)[:87]}...; nearest that works: none found",
    ]
    assert "1 of 2 sizes work, forward, device cuda:0" in str(report)
    assert str(report).endswith(
        "memory: peak of a training step, measured on the device"
    )


def test_an_error_without_a_message() -> None:
    class Silent(Net):
        def check(self, x: Tensor) -> None:
            assert x.shape[-1] == 64

    class Empty(Net):
        def check(self, x: Tensor) -> None:
            if x.shape[-1] != 64:
                raise ValueError

    report = check(Empty(), PLAN, sample(64, 64), reach=2)
    assert report.rows[0].reason == "ValueError"
    assert not check(Silent(), PLAN, sample(64, 64), reach=2).ok


def test_batches_of_any_container() -> None:
    def forward(model: nn.Module, batch: Any) -> Tensor:
        assert batch["mask"].shape[-2:] == batch["image"].shape[-2:]
        out: Tensor = model(batch["image"])
        return out

    batch = {
        "image": sample(64, 64)[0],
        "mask": torch.zeros(2, 64, 64, dtype=torch.long),
    }
    resizer = Resizer(targets={"mask": "mask"})
    for device in (None, "meta"):
        report = check(
            Net(),
            PLAN,
            batch,
            forward=forward,
            resizer=resizer,
            device=device,  # type: ignore[arg-type]
        )
        assert report.ok


def test_a_plain_tensor_and_a_model_without_parameters() -> None:
    report = check(nn.ReLU(), PLAN, torch.rand(2, 3, 64, 64))
    assert report.ok
    assert report.device == "cpu"
    with torch.device("meta"):
        on_meta = Net()
    assert check(on_meta, PLAN, sample(64, 64)).device == "meta"


class Tied(Net):
    """Shares a weight, freezes another, keeps a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(8, 2)
        self.other.weight = self.head.weight
        self.other.requires_grad_(False)
        self.register_parameter("none", None)
        self.scale = torch.ones(2)

    def forward(self, x: Tensor) -> Tensor:
        assert self.other.weight is self.head.weight
        return super().forward(x) * self.scale


def test_everything_comes_to_meta() -> None:
    model = Tied()
    assert check(model, PLAN, sample(64, 64), device="meta").ok
    assert model.scale.device.type == "cpu"


def test_compiled_parts_are_checked_as_they_are_written() -> None:
    calls = []

    def backend(graph: Any, inputs: Any) -> Any:
        calls.append(graph)
        return graph

    model = nn.Sequential(Net())
    model[0].compile(backend=backend)
    assert check(model, PLAN, sample(64, 64)).ok
    assert not calls
    model(sample(64, 64)[0])
    assert calls


@pytest.mark.parametrize("wrap", ["compile", "distributed"])
def test_wrapped_models_are_checked_without(wrap: str, tmp_path: Any) -> None:
    model = Net()
    if wrap == "compile":
        wrapped: Any = torch.compile(model, backend="eager")
        assert check(wrapped, PLAN, sample(64, 64), device="meta").ok
        assert check(wrapped, PLAN, sample(64, 64)).ok
        return
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", store, rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(model)
        assert check(wrapped, PLAN, sample(64, 64)).ok
        wrapped(sample(64, 64)[0]).sum().backward()
    finally:
        torch.distributed.destroy_process_group()


def test_bad_input_is_refused() -> None:
    x = sample(64, 64)
    with pytest.raises(TypeError, match=r"plan must be a Plan, not a Ramp: make one"):
        check(Net(), Ramp(), x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must be a Module, not a str"):
        check("resnet", PLAN, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image"):
        check(Net(), PLAN, {"id": "a"})
    with pytest.raises(ValueError, match="lazy parameters"):
        check(nn.LazyConv2d(8, 3), PLAN, x)
    with pytest.raises(ValueError, match=r"device must be .meta. or None.*'cuda'"):
        check(Net(), PLAN, x, device="cuda")  # type: ignore[arg-type]


def test_targets_of_another_size_are_no_failure_of_the_model() -> None:
    batch = {"image": sample(64, 64)[0], "mask": torch.zeros(2, 32, 32)}
    with pytest.raises(ValueError, match="mask"):
        check(Net(), PLAN, batch, resizer=Resizer(targets={"mask": "mask"}))


def test_swin_is_checked_before_and_after() -> None:
    model = swin()
    assert check(model, PLAN, sample(64, 64), device="meta").sizes == ((64, 64),)
    with adapt(model):
        assert check(model, PLAN, sample(64, 64), device="meta").ok


def test_candidates_are_multiples_nearest_first() -> None:
    assert candidates(Size(7, 7), 1) == []
    assert candidates(Size(7, 5), 3) == [(6, 4), (8, 6), (6, 3), (9, 6)]
    assert all(min(size) >= 1 for size in candidates(Size(3, 3), 64))
    assert Size(7, 7) not in candidates(Size(7, 7), 64)


def test_nearest_on_either_side() -> None:
    known = [Size(200, 200)]
    assert nearest(Size(50, 50), lambda size: False, known, 8) == ((200, 200),)
    assert nearest(Size(51, 51), lambda size: True, [], 2) == ((50, 50), (52, 52))


def test_common_multiple_needs_two_that_work_and_one_that_does_not() -> None:
    assert common_multiple({Size(64, 64): True, Size(65, 65): False}) is None
    assert common_multiple({Size(64, 64): True, Size(96, 96): True}) is None
    tried = {Size(64, 64): True, Size(96, 96): True, Size(128, 128): False}
    assert common_multiple(tried) is None


@pytest.mark.parametrize(
    "output",
    [3.0, None, {"loss": torch.tensor(0.5)}],
    ids=["float", "none", "detached"],
)
def test_a_forward_without_a_gradient_does_not_work_backward(output: Any) -> None:
    sample = torch.rand(2, 3, 64, 64)
    plan = Phases(phases=[(0, 64)], final_size=64).plan(total_steps=4)
    report = check(nn.Conv2d(3, 2, 3), plan, sample, forward=lambda *_: output, reach=1)
    assert not report.ok
    assert "forward must return the loss, or an output of the model" in str(report)
    only = check(
        nn.Conv2d(3, 2, 3), plan, sample, forward=lambda *_: output, backward=False
    )
    assert only.ok
