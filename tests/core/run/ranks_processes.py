"""Run by torchrun in test_ranks.py: prints what this process was told."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import torch
from tests.adapters.torchrun import finish
from tests.core.merging import Images, Training
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Grow, Ramp


def run(batches: int) -> ProgressiveResize:
    return ProgressiveResize(
        Ramp(final_size=16, increase_by=4), epochs=4, steps_per_epoch=batches
    )


def next_size(resize: ProgressiveResize) -> Any:
    try:
        return resize(torch.rand(1, 3, 16, 16)).shape[-1]
    except ValueError as error:
        return str(error)


class Model:
    """A tiny network in DistributedDataParallel, and its optimizer."""

    def __init__(self, *, is_compiled: bool = False, **settings: Any) -> None:
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        self.parallel = DistributedDataParallel(network, **settings)
        self.call: Any = self.parallel
        if is_compiled:
            self.call = torch.compile(self.parallel, backend="eager")
        self.optimizer = torch.optim.SGD(network.parameters(), 0.1)

    def train(
        self, resize: ProgressiveResize, batches: int, accumulate: int = 1
    ) -> list[int]:
        """Train an epoch; return the width of each batch."""
        widths = []
        loader = [torch.rand(2, 3, 16, 16) for _ in range(batches)]
        for number, images in enumerate(resize.batches(loader), 1):
            widths.append(images.shape[-1])
            is_last = number in (batches, number // accumulate * accumulate)
            with nullcontext() if is_last else self.parallel.no_sync():
                self.call(images).sum().backward()
            if is_last:
                self.optimizer.step()
                self.optimizer.zero_grad()
        return widths

    def weights(self) -> list[float]:
        return [each.sum().item() for each in self.parallel.parameters()]


def ddp(*, accumulate: int = 1, **settings: Any) -> dict[str, Any]:
    """Train with settings of DistributedDataParallel."""
    model = Model(**settings)
    resize = ProgressiveResize(
        Ramp(final_size=16, increase_by=4), epochs=4, steps_per_epoch=5,
        accumulate=accumulate,
    )  # fmt: skip
    widths = [model.train(resize, 5, accumulate) for _ in range(4)]
    return {"widths": widths, "weights": model.weights()}


def joined(batches: list[int]) -> list[list[int]]:
    """Train on epochs of other lengths than on the other process."""
    model, resize = Model(), run(4)
    widths = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the shorter epochs
        for count in batches:
            with model.parallel.join():
                widths.append(model.train(resize, count))
    return widths


def empty(batches: int) -> float:
    """Pass over some batches or none, and talk to the other process."""
    for _ in run(1).batches([torch.rand(1, 3, 16, 16)] * batches):
        pass
    total = torch.ones(1)
    distributed.all_reduce(total)
    return total.item()


def accumulating(accumulate: int) -> ProgressiveResize:
    return ProgressiveResize(Ramp(final_size=16), total_steps=20, accumulate=accumulate)


def resumed(steps: int) -> ProgressiveResize:
    saved = run(12)
    for _ in range(steps):
        saved.step()
    again = run(12)
    again.load_state_dict(saved.state_dict())
    return again


def merged() -> dict[str, Any]:
    """Train on merged batches of a sized loader, and on plain ones."""

    def train(merge: bool) -> Training:
        data = Images(22)
        loader = DataLoader(data, 2, sampler=DistributedSampler(data))
        training = Training(merge, loader=loader)
        training.model = DistributedDataParallel(training.model)
        return training.finish()

    plain, fewer = train(False), train(True)
    return {
        "difference": plain.difference(fewer),
        "passes": [len(plain.passes), len(fewer.passes)],
        "weights": [each.sum().item() for each in fewer.model.parameters()],
    }


def grown(rank: int) -> dict[str, Any]:
    """Draw batches that grow: of this process's share of the samples."""
    data = Images(44)
    resize = ProgressiveResize(
        Ramp(final_size=16, increase_by=8), epochs=2, samples_per_epoch=22,
        batch_size=Grow(8, batch=2),
    )  # fmt: skip
    loader = sized(DataLoader(data, 2, sampler=range(rank, 44, 2)), resize)
    return {
        "lengths": [
            len(images) for _ in range(2) for images, _ in resize.batches(loader)
        ],
        "planned": [resize.plan.batch_at(n) for n in range(resize.plan.total_steps)],
    }


def main() -> dict[str, Any]:
    alone = next_size(run(9))
    # As "cpu:gloo,cuda:nccl" has it.
    distributed.init_process_group("cpu:gloo", timeout=timedelta(seconds=60))
    rank = distributed.get_rank()
    total = empty(1 - rank)
    equal = run(12)
    sizes = []
    for _ in range(48):
        sizes.append(next_size(equal))
        equal.step()
    saved = run(12)
    for _ in range(20):
        saved.step()
    state = saved.state_dict()
    halfway = run(12)
    if rank == 0:
        halfway.load_state_dict(state)
    told = next_size(halfway)
    # Refused is not agreed: the other process finds its state, and both go on.
    if rank == 1:
        halfway.load_state_dict(state)
    return {
        "rank": rank,
        "alone": alone,
        "equal": sizes,
        "batches": next_size(run(13 - rank)),
        "halfway": told,
        "mended": next_size(halfway) == saved.size.width,
        "empty": total,
        "files": next_size(resumed(20 + rank)),
        "accumulate": next_size(accumulating(1 + rank)),
        "joined": joined([[4, 4, 4, 4], [0, 3, 2, 4]][rank]),
        "static graph": ddp(static_graph=True),
        "unused parameters": ddp(find_unused_parameters=True),
        "no_sync": ddp(accumulate=2),
        "compiled": ddp(is_compiled=True),
        "merged": merged(),
        "grown": grown(rank),
    }


if __name__ == "__main__":
    finish(main())
