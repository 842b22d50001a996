"""A learner in double precision that remembers its passes, for tests of ``merge``."""

from __future__ import annotations

from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.torch_core import TensorCategory, TensorImage
from fastai.vision.core import PILImage
from torch import Tensor, nn
from torch.utils.data import Dataset

from upsize.fastai import ProgressiveResize

SIDE = 16


class Images(Dataset[Any]):
    """Samples with fastai's types."""

    def __init__(self, n: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(n, 3, SIDE, SIDE, generator=generator)
        self.labels = torch.randint(2, (n,), generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return TensorImage(self.images[index]), TensorCategory(self.labels[index])


class Photographs(Images):
    """Samples that item transforms resize."""

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        pixels = (image.repeat(1, 2, 2) * 255).byte().permute(1, 2, 0)
        return PILImage.create(pixels.numpy()), label


class Network(nn.Module):
    """Works in double precision, and remembers its training batches and their side."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, 2),
        ).double()  # fmt: skip
        self.passes: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.passes.append((len(images), images.shape[-1]))
        out: Tensor = self.net(images.double())
        return out


class Watch(Callback):
    """Remembers every step and every batch as a callback sees them."""

    order = 70
    run_valid = False

    def before_fit(self) -> None:
        self.stepped: list[Any] = []
        self.counted: list[Any] = []

    def after_step(self) -> None:
        self.stepped.append((self.train_iter, self.opt.hypers[-1]["lr"]))

    def after_batch(self) -> None:
        rate = self.opt.hypers[-1]["lr"]
        self.counted.append((self.iter, self.n_iter, float(self.pct_train), rate))


def loaders(n: int, **more: Any) -> Any:
    settings: dict[str, Any] = {"bs": 4, "num_workers": 0} | more
    return DataLoaders(DataLoader(Images(n), **settings), DataLoader(Images(8), bs=4))


def learner(
    dls: Any, merge: Any, *cbs: Any, samples: int | None = 32, **more: Any
) -> Any:
    """Make a learner that accumulates gradients, if ``samples`` says how many."""
    resize = ProgressiveResize(
        0.5, 0.5, 0.7, 4, verbose=False, preallocate=False, merge=merge
    )
    cbs = (resize, Watch(), *cbs)
    if samples is not None:
        cbs = (*cbs, GradientAccumulation(samples))
    made: Any = Learner(
        dls, Network(), loss_func=CrossEntropyLossFlat(), cbs=list(cbs), metrics=[accuracy],
        **more,
    )  # fmt: skip
    made.remove_cb(made.progress)
    made.logger = lambda *_: None
    return made


def weights(learn: Any) -> Tensor:
    return torch.cat([each.detach().flatten() for each in learn.model.parameters()])
