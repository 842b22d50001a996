"""Run by torchrun in test_two_processes.py: prints what this process trained on."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch

warnings.simplefilter("ignore")

from fastai.data.core import DataLoaders, TfmdDL  # noqa: E402
from fastai.data.transforms import IntToFloatTensor, ToTensor  # noqa: E402
from fastai.distributed import DistributedDL  # noqa: E402
from fastai.learner import Learner  # noqa: E402
from fastai.losses import CrossEntropyLossFlat  # noqa: E402
from fastai.torch_core import TensorImage, num_distrib  # noqa: E402
from fastai.vision.augment import Resize, aug_transforms  # noqa: E402
from tests.adapters.fastai.merging import (  # noqa: E402
    Images,
    Photographs,
    learner,
    loaders,
    weights,
)
from tests.adapters.fastai.tools import Seen  # noqa: E402
from tests.adapters.torchrun import finish  # noqa: E402
from torch import nn  # noqa: E402

from upsize.fastai import ProgressiveResize, sized  # noqa: E402

COUNT = 45  # uneven on two processes


class Came(IntToFloatTensor):
    """Remembers the widths that come from the loader."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []

    def encodes(self, x: TensorImage) -> TensorImage:
        self.widths.append(x.shape[-1])
        return x.float() / 255


def broadcast(self: Any, indices: Any, rank: int) -> Any:
    """Send indices over gloo: fastai's own way leads over a GPU."""
    sent = torch.tensor(indices)
    torch.distributed.broadcast(sent, rank)
    return sent.tolist()


def main(kind: str) -> dict[str, Any]:
    batch_tfms = aug_transforms() if kind == "aug" else None
    DistributedDL._broadcast = broadcast
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    loaders: list[Any] = [
        TfmdDL(
            Images(COUNT), bs=4, num_workers=0, after_batch=batch_tfms, shuffle=shuffle
        )
        for shuffle in (True, False)
    ]
    came = Came()
    if kind.startswith("sized"):
        loaders = [
            TfmdDL(
                Photographs(COUNT),
                bs=4,
                num_workers=workers,
                shuffle=shuffle,
                after_item=[Resize(16), ToTensor],
                after_batch=after_batch,
            )
            for shuffle, workers, after_batch in [
                (True, int(kind.split()[1]), came),
                (False, 0, IntToFloatTensor),
            ]
        ]
        loaders[0] = sized(loaders[0])
        came.widths.clear()
    resize, seen = ProgressiveResize(increase_by=2, verbose=False), Seen()
    learn = Learner(
        DataLoaders(*loaders, device="cpu"),
        net,
        loss_func=CrossEntropyLossFlat(),
        cbs=[resize, seen],
    )
    learn.remove_cb(learn.progress)
    with learn.distrib_ctx(sync_bn=False), learn.no_logging():
        world = num_distrib()
        learn.fit(4)
    assert resize.plan is not None
    steps = range(resize.plan.total_steps)
    widths = [width for _, width in seen.train]
    return {
        "world": world,
        "as planned": widths == [resize.plan.size_at(n).width for n in steps],
        "widths": widths,
        "came": came.widths,
        "corrected": resize.mismatched,
        "weights": float(sum(p.double().sum() for p in net.parameters())),
    }


def accumulated(kind: str) -> dict[str, Any]:
    """Accumulate gradients over twelve of the 23 images, in each process."""
    learn = learner(loaders(COUNT), kind == "merged", samples=12)
    with learn.distrib_ctx(sync_bn=False), learn.no_logging():
        learn.fit(4, 0.01)
    return {
        "weights": weights(learn).tolist(),
        "steps": learn.watch.stepped,
        "passes": learn.model.passes,
    }


if __name__ == "__main__":
    report = {}
    for kind in sys.argv[1:]:
        make = accumulated if kind in ("merged", "unmerged") else main
        report[kind] = make(kind)
    finish(report)
