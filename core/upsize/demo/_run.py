"""One training run of the demo, epoch by epoch, and several runs alternately."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import IterableDataset

from upsize.demo._data import Data
from upsize.demo._model import small_resnet
from upsize.demo._plans import steps_per_epoch
from upsize.loop import ProgressiveResize
from upsize.schedule import Plan, Schedule, Size

__all__ = [
    "Batches",
    "Epoch",
    "OnStep",
    "Runner",
    "Training",
    "augment",
    "round_robin",
    "train",
]

_LEARNING_RATE_PER_IMAGE = 0.05 / 32
_VALIDATION_BATCH = 128


class Epoch(NamedTuple):
    """The state of a run after an epoch.

    ``seconds`` are those of training so far, without validation; ``accuracy`` is the
    share of the validation images that the model gets right at full size.
    """

    seconds: float
    accuracy: float


#: Called after each step with the number of steps done and the size of this one.
OnStep = Callable[[int, Size], None]


def augment(images: Tensor, generator: torch.Generator, *, rotate: bool) -> Tensor:
    """Mirror each image at random, and turn it by a random multiple of 90 degrees.

    Args:
        images: Square images (N, C, H, H).
        generator: Draws for each image.
        rotate: ``False``: only mirror left and right.
    """

    def coin() -> Tensor:
        return torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5

    images = torch.where(coin(), images.flip(-1), images)
    if rotate:
        # Two mirrorings and a transposition generate all eight positions of a square.
        images = torch.where(coin(), images.flip(-2), images)
        images = torch.where(coin(), images.transpose(-1, -2), images)
    return images


class _Normalize:
    """Makes uint8 images floats of zero mean and unit deviation in each channel."""

    def __init__(self, images: Tensor) -> None:
        # In float64 by counts of the 256 values: no float copy of all the images.
        channels = images.transpose(0, 1).flatten(1)
        values = torch.arange(256.0, dtype=torch.float64)
        counts = torch.stack([torch.bincount(c, minlength=256) for c in channels])
        share = counts.double() / channels.shape[1]
        mean = (share * values).sum(1)
        deviation = (share * (values - mean[:, None]).square()).sum(1).sqrt()
        self._mean = mean.float()[:, None, None]
        self._deviation = deviation.float().clamp(min=1.0)[:, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        return ((images - self._mean) / self._deviation).contiguous(
            memory_format=torch.channels_last
        )


class Training:
    """What every runner trains, and in which order: model, optimizer and batches.

    SGD with momentum and the one-cycle learning rate, which is in proportion to the
    batch size.

    All that it draws at random comes from its own generators, so that runs can
    alternate without changing each other.

    Args:
        data: The task.
        schedule: How the image size grows.
        plan: The schedule's sizes; its steps are those of
            :func:`~upsize.demo._plans.steps_per_epoch`.
        batch_size: Images in a batch.
        seed: Seed of the weights, the order and the augmentation: two runs of a seed
            see the same images in the same order and the same positions.
    """

    def __init__(
        self,
        data: Data,
        schedule: Schedule,
        plan: Plan,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.schedule, self.plan = schedule, plan
        self.steps_per_epoch = steps_per_epoch(len(data.train), batch_size)
        self.epochs = plan.total_steps // self.steps_per_epoch
        self._data, self._batch_size = data, batch_size
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = small_resnet(data.train.images.shape[1], len(data.classes))
        self.model.to(memory_format=torch.channels_last)
        self._normalize = _Normalize(data.train.images)
        rate = _LEARNING_RATE_PER_IMAGE * batch_size
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            rate,
            momentum=0.9,
            weight_decay=5e-4,
            nesterov=True,
        )
        # Of four steps the first quarter has no length, and OneCycleLR divides by it.
        steps = max(5, plan.total_steps + 1)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, rate, total_steps=steps, pct_start=0.25
        )

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the next epoch at full size."""
        train = self._data.train
        order = torch.randperm(len(train), generator=self._generator)
        for chosen in torch.split(order, self._batch_size)[: self.steps_per_epoch]:
            images = augment(
                train.images[chosen], self._generator, rotate=self._data.rotate
            )
            yield self._normalize(images), train.labels[chosen]

    def accuracy(self) -> float:
        """Return the share of the validation images that the model gets right."""
        val = self._data.val
        self.model.eval()
        right = 0
        with torch.inference_mode():
            for images, labels in zip(
                torch.split(val.images, _VALIDATION_BATCH),
                torch.split(val.labels, _VALIDATION_BATCH),
                strict=True,
            ):
                guesses = self.model(self._normalize(images)).argmax(1)
                right += int((guesses == labels).sum())
        self.model.train()
        return right / len(val)


#: Trains from scratch along a training's plan; yields after each epoch.
Runner = Callable[[Training, OnStep], Iterator[Epoch]]


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """The batches of a training as a loader or a dataset, an epoch each time."""

    def __init__(self, training: Training) -> None:
        self._training = training

    def __len__(self) -> int:
        return self._training.steps_per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._training.batches()


def train(training: Training, on_step: OnStep) -> Iterator[Epoch]:
    """Train a small residual network in a plain loop of PyTorch.

    Args:
        training: What is trained; a run uses it up.
        on_step: Called after each step.

    Yields:
        The state after each epoch.
    """
    plan = training.plan
    resize = ProgressiveResize(
        training.schedule,
        total_steps=plan.total_steps,
        steps_per_epoch=training.steps_per_epoch,
        final_size=plan.final_size,
    )
    seconds, step = 0.0, 0
    while step < plan.total_steps:
        begin = time.perf_counter()
        for images, labels in resize.batches(training.batches()):
            training.optimizer.zero_grad()
            loss = F.cross_entropy(training.model(images), labels)
            torch.autograd.backward(loss)
            training.optimizer.step()
            training.scheduler.step()
            step += 1
            on_step(step, resize.size)
        seconds += time.perf_counter() - begin
        yield Epoch(seconds, training.accuracy())


def round_robin(runs: Mapping[str, Iterator[Epoch]]) -> dict[str, list[Epoch]]:
    """Advance runs alternately, an epoch each, so that a noisy machine treats all alike.

    Args:
        runs: By name; a shorter one ends earlier.

    Returns:
        The epochs of each.

    Example:
        >>> long, short = [Epoch(2.0, 0.5), Epoch(4.0, 0.75)], [Epoch(1.0, 0.5)]
        >>> epochs = round_robin({"long": iter(long), "short": iter(short)})
        >>> epochs["long"] == long, epochs["short"] == short
        (True, True)
    """
    done: dict[str, list[Epoch]] = {name: [] for name in runs}
    left = dict(runs)
    while left:
        for name, run in list(left.items()):
            epoch = next(run, None)
            if epoch is None:
                del left[name]
            else:
                done[name].append(epoch)
    return done
