"""The model of every training, which remembers what it was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Batch", "Net", "Seen"]


@dataclass
class Batch:
    """A batch that has left its gradients."""

    step: int  # optimizer steps done before it
    size: tuple[int, int]
    labels: Tensor
    dropout: float
    pixel: float = 0.0  # the first one of its first image


@dataclass
class Seen:
    """What a model was given, and how often its optimizer stepped."""

    trained: list[Batch] = field(default_factory=list)
    evaluated: list[tuple[int, int]] = field(default_factory=list)
    passes: list[tuple[int, int]] = field(default_factory=list)  # each call of forward
    images: list[int] = field(default_factory=list)  # in each of them
    steps: int = 0
    # Size, dropout and first pixel of a pass.
    latest: tuple[tuple[int, int], float, float] = ((0, 0), 0.0, 0.0)
    labels: Tensor = field(default_factory=lambda: torch.empty(0))  # of a loss


class Net(nn.Module):
    """Scores for each pixel, with buffers and dropout.

    Args:
        dropout: The share that is dropped.
        exact: Whether it computes in float64 and each image by itself.
        fail_at: The training batch, from 0, at which ``error`` is raised.
        error: What is raised then.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        *,
        exact: bool = False,
        fail_at: int | None = None,
        error: type[BaseException] = RuntimeError,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.Identity() if exact else nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(dropout), nn.Conv2d(4, 2, 1)
        self.seen = Seen()
        self.fail_at, self.error = fail_at, error
        if exact:
            self.double()
        assert self.head.bias is not None
        # A dry run leaves no gradient, and so is no batch that was trained on.
        self.head.bias.register_post_accumulate_grad_hook(self._note)

    def forward(self, images: Tensor) -> Tensor:
        if images.dim() != 4:  # what is no image: the claim is about what upsize says
            images = images.reshape(-1, 1, 1, 1).expand(-1, 3, 4, 4)
        size = (int(images.shape[-2]), int(images.shape[-1]))
        self.seen.passes.append(size)
        self.seen.images.append(len(images))
        if not self.training:
            self.seen.evaluated.append(size)
        elif len(self.seen.trained) == self.fail_at:
            raise self.error("in the body of the step")
        pixel = float(images.detach()[0, 0, 0, 0])
        self.seen.latest = size, float(self.drop.p), pixel
        out: Tensor = self.head(self.drop(self.norm(self.conv(images))))
        return out

    def loss(self, scores: Tensor, labels: Tensor, *_: Any) -> Tensor:
        """Compare scores with labels: of images, or of each pixel."""
        self.seen.labels = labels
        if labels.dim() < 3:
            scores = scores.mean((2, 3))
        return nn.functional.cross_entropy(scores, labels)

    def optimizer(self) -> torch.optim.Optimizer:
        """Return an optimizer whose steps are counted."""
        made = torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)
        made.register_step_post_hook(self._stepped)
        return made

    def _note(self, _: Tensor) -> None:
        size, dropout, pixel = self.seen.latest
        batch = Batch(self.seen.steps, size, self.seen.labels, dropout, pixel)
        self.seen.trained.append(batch)

    def _stepped(self, *_: Any) -> None:
        self.seen.steps += 1
