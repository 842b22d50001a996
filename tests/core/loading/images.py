"""Small datasets, and the sizes that a run over them really trains on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
from torch.utils.data.distributed import DistributedSampler
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

FULL = 32
RAMP = Ramp(final_size=FULL, increase_by=4)  # 16, 20, 24, 28, 32
COUNT = 26


def augmented(full: int = FULL) -> v2.Compose:
    return v2.Compose([v2.RandomResizedCrop(full), v2.RandomHorizontalFlip()])


class Images(Dataset[Any]):
    """Photographs of noise, 40 x 48 pixels."""

    def __init__(self, transform: Any = None, count: int = COUNT) -> None:
        self.transform = augmented() if transform is None else transform
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, 40, 48), dtype=torch.uint8, generator=generator)
        return self.transform(image), index


class Together(Images):
    """Makes the samples of a batch in one go."""

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, int]]:
        assert type(indices) is list
        return [self[index] for index in indices]


def collate(samples: list[Any]) -> dict[str, Any]:
    images, labels = zip(*samples, strict=True)
    return {"image": torch.stack(images), "label": list(labels)}


def seed_worker(worker: int) -> None:
    torch.manual_seed(1000 + worker)


@dataclass
class Setting:
    """A loader and a run: what a row of the table varies."""

    name: str
    loader: dict[str, Any] = field(default_factory=dict)
    batches: str = "batch_size"
    accumulate: int = 1
    stop: int | None = None  # resume after so many batches of the second epoch
    rest: str = "drop"  # how the resumed loader leaves out what is done
    dataset: type[Images] = Images
    ranks: int = 1


def plain_loader(setting: Setting, rank: int = 0, skip: int = 0) -> Any:
    data = setting.dataset()
    options: dict[str, Any] = {"batch_size": 4, "shuffle": True} | setting.loader
    if setting.batches == "batch_sampler":
        del options["batch_size"], options["shuffle"]
        sampler = BatchSampler(RandomSampler(data), 4, drop_last=False)
        options["batch_sampler"] = sampler
    elif setting.batches == "list":
        del options["batch_size"], options["shuffle"]
        rows = torch.arange(COUNT).split(4)[skip:]
        options["batch_sampler"] = [tuple(row.tolist()) for row in rows]
    elif setting.batches == "distributed":
        del options["shuffle"]
        options["sampler"] = DistributedSampler(data, 2, rank)
    return DataLoader(data, **options)


def run(setting: Setting, rank: int = 0) -> dict[str, Any]:
    """Train three epochs for nothing; return the sizes seen and those planned."""
    torch.manual_seed(7)
    plain = plain_loader(setting, rank)
    length = len(plain)
    resize = _resize(setting, length)
    loader = sized(plain, resize)
    seen: list[list[int]] = []
    came: list[list[int]] = []  # as the loader gave them, before the resize
    corrected = 0
    for epoch in range(3):
        if isinstance(loader.sampler, DistributedSampler):
            loader.sampler.set_epoch(epoch)
        stop = setting.stop if epoch == 1 else None
        steps = _epoch(resize, loader, seen, came)
        if stop is None:
            for _ in steps:
                pass
            continue
        state = [resize.state_dict() for _ in islice(steps, stop)][-1]
        steps.close()
        corrected = resize.mismatched
        resize = _resize(setting, length)
        resize.load_state_dict(state)
        skip = stop if setting.rest == "sampler" else 0
        plain = plain_loader(setting, rank, skip)
        rest: Any = sized(plain, resize)
        whole = sized(plain_loader(setting, rank), resize)
        drop = 0 if setting.rest == "sampler" else stop
        for _ in _epoch(resize, islice(rest, drop, None), seen, came):
            pass
        loader = whole
    planned = [resize.plan.size_at(step).width for step, _ in seen]
    return {
        "seen": [size for _, size in seen],
        "came": [size for _, size in came],
        "planned": planned,
        "steps": resize.optimizer_steps,
        "total": resize.plan.total_steps,
        "corrected": corrected + resize.mismatched,
    }


def _resize(setting: Setting, length: int) -> ProgressiveResize:
    return ProgressiveResize(
        RAMP, epochs=3, steps_per_epoch=length, accumulate=setting.accumulate
    )


def _epoch(
    resize: ProgressiveResize, loader: Any, seen: list[Any], came: list[Any]
) -> Iterator[None]:
    def given() -> Iterator[Any]:
        for batch in loader:
            images = batch["image"] if isinstance(batch, dict) else batch[0]
            assert images.shape[-2] == images.shape[-1]
            came.append((resize.optimizer_steps, images.shape[-1]))
            yield batch

    for batch in resize.batches(given()):
        images = batch["image"] if isinstance(batch, dict) else batch[0]
        seen.append((resize.optimizer_steps, images.shape[-1]))
        yield
