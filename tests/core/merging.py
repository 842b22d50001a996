"""A model without BatchNorm in float64, trained with and without merged batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Phases

FULL = 16
PHASES = Phases(phases=((0, 8), (1, 12), (2, FULL)))  # merged 4 times, not, not
EPOCHS, ACCUMULATE = 3, 4


class Images(Dataset[Any]):
    """Pictures of noise, the same ones each time."""

    def __init__(self, count: int) -> None:
        self.transform = Compose([Resize(18), CenterCrop(FULL)])
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 20, 20, generator=generator, dtype=torch.float64)
        return self.transform(image), index % 3


class Training:
    """A training run, which may be stopped and resumed.

    Args:
        merge: See ``ProgressiveResize``.
        count: Images in an epoch, of which a batch has 2.
        is_sized: Whether the loader makes small images.
        settings: Of the loader.
    """

    def __init__(
        self,
        merge: Any,
        count: int = 22,
        *,
        is_sized: bool = True,
        accumulate: int = ACCUMULATE,
        **settings: Any,
    ) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 3),
        ).double()  # fmt: skip
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 0.05)
        data = Images(count)
        loader: Any = settings.pop("loader", None) or DataLoader(
            data,
            2,
            shuffle=True,
            generator=torch.Generator().manual_seed(3),
            **settings,
        )
        self.length = len(loader)
        self.resize = ProgressiveResize(
            PHASES, epochs=EPOCHS, steps_per_epoch=self.length, accumulate=accumulate,
            merge=merge,
        )  # fmt: skip
        self.loader = sized(loader, self.resize) if is_sized else loader
        # Images and side of each forward pass.
        self.passes: list[tuple[int, int]] = []

    def train(self, batches: Iterable[Any]) -> Iterator[int]:
        """Train on the batches of an epoch; yield how many passes there were."""
        for images, labels in self.resize.batches(batches):
            self.passes.append((len(images), images.shape[-1]))
            loss = nn.functional.cross_entropy(self.model(images), labels)
            (loss * self.resize.loss_weight).backward()
            if self.resize.ends_window:
                self.optimizer.step()
                self.optimizer.zero_grad()
            yield len(self.passes)

    def finish(self, first: Iterable[Any] | None = None, epoch: int = 0) -> Training:
        """Train to the end, from the rest of an epoch or from its start."""
        for number in range(epoch, EPOCHS):
            batches = self.loader if first is None or number > epoch else first
            for _ in self.train(batches):
                pass
        return self

    def state(self) -> dict[str, Any]:
        """Return all of the state, gradients included."""
        return {
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": self.optimizer.state_dict(),
            "grads": [
                None if p.grad is None else p.grad.clone()
                for p in self.model.parameters()
            ],
            "resize": self.resize.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, grad in zip(
            self.model.parameters(), state["grads"], strict=True
        ):
            parameter.grad = grad
        self.resize.load_state_dict(state["resize"])

    def difference(self, other: Training) -> float:
        """Return by how much the weights differ at most."""
        pairs = zip(self.model.parameters(), other.model.parameters(), strict=True)
        return max((one - two).abs().max().item() for one, two in pairs)


def rest_of(loader: Any, batches: int) -> Iterator[Any]:
    """Return the batches of an epoch after those that are done."""
    return islice(loader, batches, None)


def listed(sizes: list[int]) -> BatchSampler:
    """Return a batch sampler with batches of any length."""
    order = iter(range(sum(sizes)))
    batches: Any = [list(islice(order, size)) for size in sizes]
    return batches  # type: ignore[no-any-return]


def random_batches(count: int) -> BatchSampler:
    """Return a batch sampler of one's own, shuffled the same each time."""
    generator = torch.Generator().manual_seed(3)
    return BatchSampler(RandomSampler(range(count), generator=generator), 2, False)
