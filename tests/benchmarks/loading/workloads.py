"""What is trained: the images, the model, and how they are loaded."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from tests.benchmarks.loading.images import InMemory
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

__all__ = ["Setting", "Workload", "balanced_model", "convnet", "step_of", "to_device"]


@dataclass(frozen=True)
class Setting:
    """What all runs have in common."""

    folder: Path
    full: int
    batch_size: int
    workers: int
    device: torch.device
    classes: int

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def loader(
        self, dataset: Any, *, seed: int = 0, **sampling: Any
    ) -> DataLoader[Any]:
        """Return a loader; without ``sampling`` it shuffles by the seed."""
        if not sampling:
            generator = torch.Generator().manual_seed(seed)
            sampling = {
                "batch_size": self.batch_size,
                "shuffle": True,
                "generator": generator,
                "drop_last": True,
            }
        return DataLoader(
            dataset,
            num_workers=self.workers,
            pin_memory=self.is_cuda,
            persistent_workers=self.workers > 0,
            **sampling,
        )


def convnet(width: int, classes: int) -> nn.Module:
    """Return a network of three convolutions."""
    layers: list[nn.Module] = []
    channels = 3
    for factor in (1, 2, 4):
        out = width * factor
        layers += [nn.Conv2d(channels, out, 3, 2, 1), nn.ReLU()]
        channels = out
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)


@dataclass
class Workload:
    """A model and the images that it is trained on.

    Args:
        name: "loader-bound", "balanced" or "compute-bound".
        model_name: Of the model, for the report.
        model: Copied by each run.
        setting: What all runs have in common.
        indices: Of the images that are trained on.
        held: Of those that are validated on.
        in_memory: Decoded once, instead of files that are read each time.
    """

    name: str
    model_name: str
    model: nn.Module
    setting: Setting
    indices: list[int]
    held: list[int]
    in_memory: bool = False
    _memory: dict[str, InMemory] = field(default_factory=dict, repr=False)

    def new_model(self) -> nn.Module:
        model = copy.deepcopy(self.model).to(self.setting.device)
        return model.to(memory_format=torch.channels_last).train()

    def dataset(
        self,
        crop: Any,
        loader: Callable[[str], Any] | None = None,
        *,
        val: bool = False,
    ) -> Any:
        """Return the images with a transform.

        Args:
            crop: The transform that makes the size; ``None``: the loader does.
            loader: Opens a file; ``None``: as ImageFolder does.
            val: Whether those to validate on.
        """
        indices = self.held if val else self.indices
        to_float = v2.ToDtype(torch.float32, scale=True)
        if self.in_memory:
            name = "val" if val else "train"
            if name not in self._memory:
                files = ImageFolder(self.setting.folder)
                self._memory[name] = InMemory(files, indices, self.setting.full)
            data = copy.copy(self._memory[name])
            data.transform = v2.Compose([crop, to_float])
            return data
        first = [] if crop is None else [crop]
        transform = v2.Compose([*first, v2.ToImage(), to_float])
        opened: dict[str, Any] = {} if loader is None else {"loader": loader}
        files = ImageFolder(self.setting.folder, transform=transform, **opened)
        return Subset(files, indices)

    def validation(self) -> DataLoader[Any]:
        side = self.setting.full
        crop = v2.Compose([v2.Resize(side * 8 // 7), v2.CenterCrop(side)])
        return DataLoader(self.dataset(crop, val=True), self.setting.batch_size)


def to_device(batch: Any, setting: Setting) -> tuple[Tensor, Tensor]:
    images, labels = batch
    images = images.to(setting.device, non_blocking=True)
    labels = labels.to(setting.device, non_blocking=True)
    return images.contiguous(memory_format=torch.channels_last), labels


def step_of(model: nn.Module, setting: Setting) -> Callable[[Tensor, Tensor], None]:
    """Return a function that trains on a batch, and waits until that is done."""
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    scaler = torch.amp.GradScaler(enabled=setting.is_cuda)

    def step(images: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast(setting.device.type, torch.float16, setting.is_cuda):
            loss = nn.functional.cross_entropy(model(images), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if setting.is_cuda:
            torch.cuda.synchronize()

    return step


def _candidates(classes: int) -> Iterator[tuple[str, nn.Module]]:
    for width in (4, 8, 12, 16, 24, 32):
        yield f"convnet, {width} channels", convnet(width, classes)
    for name in ("test_resnet", "resnet10t", "resnet18", "resnet50", "convnext_base"):
        yield f"timm {name}", timm.create_model(name, num_classes=classes)


def balanced_model(setting: Setting) -> tuple[str, nn.Module]:
    """Return the model whose full-size step is the nearest to the time of loading."""
    probe = Workload("probe", "", convnet(4, 2), setting, list(range(512)), [])
    loader = setting.loader(probe.dataset(v2.RandomResizedCrop(setting.full)))
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        batches = list(loader)
        times.append((time.perf_counter() - begin) / len(batches))
    loading = statistics.median(times)
    del loader
    images, labels = to_device(batches[0], setting)
    best: tuple[float, str, nn.Module] | None = None
    for name, model in _candidates(setting.classes):
        work = Workload("probe", name, model, setting, [], [])
        step = step_of(work.new_model(), setting)
        times = []
        for _ in range(7):
            begin = time.perf_counter()
            step(images, labels)
            times.append(time.perf_counter() - begin)
        ratio = statistics.median(times[2:]) / loading
        distance = max(ratio, 1 / ratio)
        if best is not None and distance > best[0]:
            break  # they grow
        best = distance, f"{name}, step / loading {ratio:.2f}", model
    assert best is not None
    return best[1], best[2]
