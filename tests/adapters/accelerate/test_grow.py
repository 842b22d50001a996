"""Batches of a prepared loader that grow while images are small."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.data_loader import BatchSamplerShard
from accelerate.utils import DataLoaderConfiguration
from tests.adapters.accelerate.test_merge import Stream, data
from torch import Tensor, nn, optim
from torch.utils.data import BatchSampler, DataLoader, Dataset
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

from upsize.accelerate import ProgressiveResize, sized
from upsize.accelerate._grown import (
    known_samples,
    rank_loader,
    samples_in,
    warn_of_schedulers,
)
from upsize.schedule import Grow, Phases

SIZES = Phases(phases=((0, 8), (1, 12), (2, 16)))  # 4, 1.8 and 1 times the images


class Crops(Dataset[Any]):
    """Images that are cropped to their size, and their number."""

    def __init__(self, count: int = 45) -> None:
        self.transform, self.plain = (
            Compose([Resize(18), CenterCrop(16)]),
            data(count),
        )

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.plain[index][0]), index


class Run:
    """A training of three epochs of 45 images, four in a plain batch."""

    def __init__(self, grow: Grow | None = None, **settings: Any) -> None:
        self.accelerator = Accelerator(
            cpu=True,
            dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True),
        )
        torch.manual_seed(0)
        net = nn.Conv2d(3, 1, 3).double()
        self.model, self.optimizer, loader = self.accelerator.prepare(
            net, optim.SGD(net.parameters(), 0.1),
            DataLoader(Crops(), 4, shuffle=True, **settings),
        )  # fmt: skip
        self.resize = ProgressiveResize(
            SIZES, self.accelerator, loader=loader, epochs=3,
            batch_size=grow or Grow(16), verbose=False,
        )  # fmt: skip
        self.loader = sized(loader, self.resize)
        self.seen: list[tuple[int, int, list[int]]] = []

    def epoch(self, number: int, loader: Any = None, stop: int | None = None) -> None:
        self.loader.set_epoch(number)
        for images, labels in self.resize.batches(loader or self.loader):
            with self.accelerator.accumulate(self.model):
                self.accelerator.backward(self.model(images).sin().mean())
                self.optimizer.step()
                self.optimizer.zero_grad()
            step = self.resize.optimizer_steps
            self.seen.append((step, images.shape[-1], labels.tolist()))
            gathered: Any = self.accelerator.gather_for_metrics(labels)
            assert torch.equal(gathered, labels)
            if step + 1 == stop:
                return

    def check(self) -> None:
        plan = self.resize.plan
        for step, width, labels in self.seen:
            assert (width, len(labels)) == (
                plan.size_at(step).width,
                plan.batch_at(step),
            )


@pytest.mark.parametrize("workers", [0, 2])
def test_each_sample_once_in_an_epoch(workers: int) -> None:
    run = Run(num_workers=workers)
    plan = run.resize.plan
    assert plan.samples_per_epoch == 45
    assert plan.batch_sizes == (16, 7, 4)
    for epoch in range(3):
        before = len(run.seen)
        assert len(run.loader) == plan.epoch_start(epoch + 1) - plan.epoch_start(epoch)
        run.epoch(epoch)
        drawn = [label for *_, labels in run.seen[before:] for label in labels]
        assert sorted(drawn) == list(range(45))
    assert len(run.seen) == plan.total_steps
    assert run.resize.mismatched == 0
    run.check()
    assert run.resize.is_over


def test_dropped_samples() -> None:
    run = Run(drop_last=True)
    for epoch in range(3):
        run.epoch(epoch)
    assert sum(len(labels) for *_, labels in run.seen) == 3 * 44
    run.check()


@pytest.mark.parametrize("stop", [2, 5, 12])
def test_resumed_within_an_epoch(stop: int, tmp_path: Path) -> None:
    whole, part, rest = Run(), Run(), Run()
    for epoch in range(3):
        whole.epoch(epoch)
    plan = whole.resize.plan
    first = int(plan.epoch_at(stop) or 0)
    for epoch in range(first + 1):
        part.epoch(epoch, stop=stop)
    part.accelerator.save_state(str(tmp_path))
    rest.accelerator.load_state(str(tmp_path))
    done = rest.resize.state_dict()["batch"]
    assert done == stop - plan.epoch_start(first)
    rest.loader.set_epoch(first)
    loader = rest.accelerator.skip_first_batches(rest.loader, done)
    rest.epoch(first, loader)
    for epoch in range(first + 1, 3):
        rest.epoch(epoch)
    assert part.seen + rest.seen == whole.seen
    for mine, theirs in zip(
        whole.model.parameters(), rest.model.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)


class Two(BatchSampler):
    """Keeps pairs together."""

    def __iter__(self) -> Any:
        return super().__iter__()


def made(plain: Any, **settings: Any) -> Any:
    accelerator = Accelerator(
        cpu=True, gradient_accumulation_steps=settings.pop("accumulate", 1)
    )
    loader = accelerator.prepare(plain)
    options = {"epochs": 3, "batch_size": Grow(16)} | settings
    return ProgressiveResize(
        SIZES, accelerator, loader=loader, verbose=False, **options
    ), loader


@pytest.mark.parametrize(
    ("plain", "settings", "words"),
    [
        (DataLoader(Crops(), 4), {"accumulate": 2}, "both make batches of small"),
        (DataLoader(Crops(), 4), {"merge": True}, "leave out merge=, or accumulate"),
        (DataLoader(Crops(), 4), {"epochs": None, "total_steps": 9}, "give epochs="),
        (DataLoader(Crops(), 4), {"batch_size": Grow(2)}, "below the batch of 4"),
        (DataLoader(Crops(), 4), {"batch_size": Grow(9, batch=8)}, "batches have 4"),
        (DataLoader(Stream(9), 4), {}, "one process makes the batches of all"),
        (DataLoader(Crops(), batch_sampler=[[0], [1]]), {}, "a list does not tell"),
        ([], {}, "the loader is not prepared"),
    ],
)  # fmt: skip
def test_refused(plain: Any, settings: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(plain, **settings)


@pytest.mark.parametrize("batch", [64, True, "64"])
def test_a_constant_batch_is_the_loader_s(batch: Any) -> None:
    with pytest.raises(TypeError, match="batch_size must be a Grow, not"):
        made(DataLoader(Crops(), 4), batch_size=batch)


def test_a_loader_that_is_not_sized_is_refused() -> None:
    resize, loader = made(DataLoader(Crops(), 4))
    with pytest.raises(ValueError, match=r"write loader = sized\(loader, resize\)"):
        next(iter(resize.batches(loader)))


def test_a_batch_sampler_of_your_own_is_refused() -> None:
    batches = Two(range(45), 4, False)
    resize, loader = made(DataLoader(Crops(), batch_sampler=batches))
    with pytest.raises(ValueError, match="those of a Two may belong together"):
        sized(loader, resize)
    shard = BatchSamplerShard(batches, 2, 0)
    assert (
        rank_loader(DataLoader(Crops(), batch_sampler=shard)).batch_sampler is batches
    )


def share(rank: int, count: int = 45, batch: int = 4, **settings: Any) -> Any:
    drop_last = settings.pop("drop_last", False)
    inner = BatchSampler(range(count), batch, drop_last)
    shard = BatchSamplerShard(inner, 2, rank, **settings)
    return DataLoader(Crops(count), batch_sampler=shard)


@pytest.mark.parametrize(
    ("settings", "samples"),
    [
        ({}, 24), ({"split_batches": True}, 24), ({"drop_last": True}, 20),
        ({"count": 48, "even_batches": False}, 24),
        ({"drop_last": True, "even_batches": False}, 20),
    ],
)  # fmt: skip
def test_the_samples_of_each_of_two_processes(settings: Any, samples: int) -> None:
    seen: Counter[int] = Counter()
    for rank in range(2):
        loader = share(rank, **settings)
        each = 2 if settings.get("split_batches") else 4
        assert samples_in(loader) == (samples, each)
        assert known_samples(loader, None, 2) == (samples, each)
        own = rank_loader(loader)
        indices = [index for batch in own.batch_sampler for index in batch]
        assert len(indices) == len(own.batch_sampler.sampler) == samples
        seen.update(indices)
    assert len(seen) == min(2 * samples, settings.get("count", 45))


def test_processes_with_different_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="different numbers of them; or train with"):
        samples_in(share(0, even_batches=False))
    assert known_samples(share(0, even_batches=False), None, 2) == (None, None)
    stream = SimpleNamespace(dataset=Stream(9))
    with pytest.raises(ValueError, match="the dataset is a stream"):
        samples_in(stream)


@pytest.mark.parametrize(
    ("lr", "processes", "split", "warns"),
    [
        ("linear", 2, False, True), ("linear", 2, True, False),
        ("sqrt", 1, False, False), (None, 2, False, False),
    ],
)  # fmt: skip
def test_schedulers_that_step_for_each_process(
    lr: Any, processes: int, split: bool, warns: bool, recwarn: Any
) -> None:
    scheduler = SimpleNamespace(split_batches=split)
    accelerator = SimpleNamespace(num_processes=processes, _schedulers=[scheduler])
    warn_of_schedulers(accelerator, Grow(16, batch=4, lr=lr))
    texts = [str(each.message) for each in recwarn]
    assert len(texts) == warns
    assert all("makes 2 steps with each optimizer step" in text for text in texts)


@pytest.mark.parametrize("epochs", [0, 1])
def test_accumulation_that_begins_later_is_refused(epochs: int) -> None:
    run = Run()
    for epoch in range(epochs):
        run.epoch(epoch)
    run.accelerator.gradient_accumulation_steps = 2
    before = len(run.seen)
    with pytest.raises(ValueError, match="accumulate=2 both make batches of small"):
        run.epoch(epochs)
    assert len(run.seen) == before


@pytest.mark.parametrize("shards", [1, 2])
def test_no_whole_batch(shards: int) -> None:
    loader = DataLoader(Crops(9), 10, drop_last=True)
    with pytest.raises(ValueError, match="9 samples make no whole batch of"):
        samples_in(loader if shards == 1 else share(0, 9, 10, drop_last=True))


def test_the_samples_of_a_process_follow_the_dataset() -> None:
    indices = list(range(45))
    inner = BatchSampler(indices, 4, False)
    shard = BatchSamplerShard(inner, 2, 0)
    own = rank_loader(DataLoader(Crops(), batch_sampler=shard))
    indices.extend(range(8))
    assert len(own.batch_sampler.sampler) == 28


@pytest.mark.parametrize("steps", [3, 5])
def test_forwarded_into_an_epoch(steps: int) -> None:
    whole, rest = Run(), Run()
    for epoch in range(2):
        whole.epoch(epoch)
    rest.resize.fast_forward(steps)
    done = rest.resize.state_dict()["batch"]
    rest.loader.set_epoch(1)
    rest.epoch(1, rest.accelerator.skip_first_batches(rest.loader, done))
    assert rest.seen == whole.seen[steps:]
