"""What needs a group, but not two processes: it is a group of one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
import torchvision
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.models import adapt
from upsize.schedule import Linear, MultiScale, Phases, Ramp, Schedule

RAMP = Ramp(final_size=32, increase_by=8)


@pytest.fixture(scope="module", autouse=True)
def _group() -> Iterator[None]:
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(4, 2)),
    )


def run(schedule: Schedule = RAMP, **settings: Any) -> ProgressiveResize:
    length = {"epochs": 4, "steps_per_epoch": 5}
    return ProgressiveResize(schedule, **(length | settings))


def values(model: nn.Module) -> list[Tensor]:
    found = (*model.parameters(), *model.buffers())
    full = [
        each.full_tensor() if hasattr(each, "full_tensor") else each for each in found
    ]
    return [each.detach().clone() for each in full]


SCHEDULES = [
    RAMP,
    Linear(final_size=32),
    Phases(phases=[(0, 16), (2, 24), (3, 32)]),
    MultiScale(sizes=[24, 32], every=1, finish=0.75),
    MultiScale(sizes=[24, 32], finish=0.75, before=RAMP),
]


class TestCheckpoints:
    """torch.distributed.checkpoint saves and loads a run by itself."""

    @pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
    def test_it_comes_back(self, schedule: Any, tmp_path: Path) -> None:
        saved = run(schedule)
        for _ in range(13):
            saved.step()
        dcp.save({"resize": saved}, checkpoint_id=tmp_path)
        resumed = run(schedule)
        dcp.load({"resize": resumed}, checkpoint_id=tmp_path)
        assert resumed.state_dict() == saved.state_dict()
        assert resumed.optimizer_steps == 13

    def test_with_another_number_of_stages(self, tmp_path: Path) -> None:
        """DCP asks for the keys of the new run, which has fewer resizes."""
        saved = run(total_steps=40, epochs=None, steps_per_epoch=None)
        dcp.save({"resize": saved}, checkpoint_id=tmp_path)
        with pytest.warns(UserWarning, match="full size 32x32 is never reached"):
            resumed = run(total_steps=2, epochs=None, steps_per_epoch=None)
        assert len(resumed.plan.stages) < len(saved.plan.stages)
        with pytest.warns(UserWarning, match="has 40 steps and this one 2"):
            dcp.load({"resize": resumed}, checkpoint_id=tmp_path)

    def test_another_schedule_is_refused(self, tmp_path: Path) -> None:
        dcp.save({"resize": run()}, checkpoint_id=tmp_path)
        resumed = run(Ramp(final_size=32, increase_by=4))
        before = resumed.state_dict()
        with pytest.raises((ValueError, CheckpointException), match="another schedule"):
            dcp.load({"resize": resumed}, checkpoint_id=tmp_path)
        assert resumed.state_dict() == before


@pytest.mark.parametrize(
    "wrap",
    [
        DistributedDataParallel,
        lambda model: DistributedDataParallel(model, gradient_as_bucket_view=True),
        lambda model: DistributedDataParallel(model, static_graph=True),
        fully_shard,
    ],
    ids=["ddp", "bucket views", "static graph", "fsdp"],
)
def test_the_dry_run_leaves_no_trace(wrap: Any) -> None:
    weights = []
    for is_dry in (True, False):
        model, resize = wrap(network()), run()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        torch.manual_seed(0)
        loader = [torch.rand(2, 3, 32, 32) for _ in range(5)]
        if is_dry:
            before = values(model)
            resize.preallocate(model, loader[0])
            assert all(map(torch.equal, values(model), before))
            assert all(each.grad is None for each in model.parameters())
        for images in (images for _ in range(4) for images in resize.batches(loader)):
            model(images).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        weights.append(values(model))
    assert all(map(torch.equal, *weights))


def vit() -> torchvision.models.VisionTransformer:
    return torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=3)


def test_a_model_is_adapted_before_it_is_sharded() -> None:
    model = vit()
    adapt(model, run().plan)
    fully_shard(model)
    assert model(torch.rand(2, 3, 16, 16)).shape == (2, 3)


def test_a_model_that_is_sharded_already_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fully_shard\(\) .* call adapt\(\) before"):
        adapt(fully_shard(vit()), run().plan)


class Images(Dataset[Tensor]):
    def __init__(self) -> None:
        self.transform = v2.Resize(32)

    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(torch.zeros(3, 40, 40))


@pytest.mark.parametrize("done", [0, 1, 4, 9, 10, 23])
@pytest.mark.parametrize(("before", "after"), [(4, 1), (1, 4), (4, 2), (2, 4), (3, 1)])
def test_the_same_global_batch_has_the_same_sizes(
    before: int, after: int, done: int
) -> None:
    """With fewer processes each accumulates more batches; in mid-epoch as well."""
    saved, resumed = (
        run(epochs=6, steps_per_epoch=4 * accumulate, accumulate=accumulate)
        for accumulate in (before, after)
    )
    for _ in range(done * before):
        saved.step()
    resumed.load_state_dict(saved.state_dict())
    assert resumed.optimizer_steps == done
    loader = sized(DataLoader(Images(), batch_size=12 // after), resumed)
    epoch, skipped = divmod(done, 4)
    seen: list[int] = []
    for number in range(epoch, 6):
        # The loader draws the whole epoch, and the loop skips what was done.
        rest = islice(loader, skipped * after if number == epoch else 0, None)
        seen += [images.shape[-1] for images in resumed.batches(rest)]
    steps = [step for step in range(done, 24) for _ in range(after)]
    assert seen == [saved.plan.size_at(step).width for step in steps]
    assert resumed.mismatched == 0
    assert resumed.optimizer_steps == 24
