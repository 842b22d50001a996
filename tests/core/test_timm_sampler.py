"""What timm's scheduled batch sampler promises, as upsize does it.

timm draws the size of each batch with weights that move from the smallest size to the
largest, epoch by epoch; its own sampler runs beside ours here. What differs on purpose:
a plan is known before the first step, each epoch has every sample once where timm
repeats some or leaves some out, and the batch of randomly drawn sizes is constant.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice
from typing import Any

import pytest
import torch
from timm.data import FastCollateMixup, ScheduledBatchSampler, create_loader
from torch.utils.data import Dataset, DistributedSampler, SequentialSampler
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Grow, MultiScale, Phases, RandomSize, Schedule, Size

SIZES = (16, 24, 32)


class Numbered(Dataset[Any]):
    """Images with their number as the label, and a name beside it if asked."""

    def __init__(self, count: int = 24, *, named: bool = False) -> None:
        self.count, self.named = count, named
        self.transform: Any = v2.RandomResizedCrop(32)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        image = v2.functional.to_pil_image(torch.zeros(3, 40, 48))
        image = image if self.transform is None else self.transform(image)
        return (image, index, f"image {index}") if self.named else (image, index)


class Moving(Schedule):
    """Sizes drawn at random in each step, with timm's weights of the epoch.

    A size that a RandomSize lists twice is drawn twice as often.
    """

    sizes: tuple[int, ...] = SIZES
    spread: float = 0.65
    mix: float = 0.1
    seed: int = 0

    def weights(self, done: float) -> list[float]:
        centre, last = done * (len(self.sizes) - 1), len(self.sizes)
        near = [math.exp(-(((k - centre) / self.spread) ** 2) / 2) for k in range(last)]
        return [(1 - self.mix) * w / sum(near) + self.mix / last for w in near]

    def changes(self, run: Any, final: Size) -> list[tuple[int, RandomSize]]:
        length, epochs = run.epoch_length("Moving"), int(run.epochs)
        changes = []
        for epoch in range(epochs):
            counts = [
                max(1, round(1000 * w)) for w in self.weights(epoch / (epochs - 1))
            ]
            choices = [
                size
                for size, n in zip(self.sizes, counts, strict=True)
                for _ in range(n)
            ]
            drawn = RandomSize(
                choices=[(side, side) for side in choices], every=1, seed=self.seed
            )
            changes.append((epoch * length, drawn))
        return changes


def ours(schedule: Schedule, data: Any, *, rank: int | None = None, **more: Any) -> Any:
    """Return a sized loader of timm's own making, and the run that it follows."""
    epochs = more.pop("epochs", 3)
    batch_size: Any = more.pop("batch_size", 4)
    # timm's loaders for training drop the last batch if it is short.
    samples = len(data) // 2 if rank is not None else len(data) // 4 * 4
    resize = ProgressiveResize(
        schedule, epochs=epochs, final_size=32, samples_per_epoch=samples,
        batch_size=batch_size,
    )  # fmt: skip
    settings = {
        "input_size": (3, 32, 32), "batch_size": 4, "is_training": True,
        "num_workers": 0, "persistent_workers": False, "use_prefetcher": False,
        "device": torch.device("cpu"), **more,
    }  # fmt: skip
    plain = create_loader(data, **settings)
    if rank is not None:
        plain = torch.utils.data.DataLoader(
            data,
            4,
            sampler=DistributedSampler(data, 2, rank),
            collate_fn=plain.collate_fn,
        )
    return sized(plain, resize), resize


def epoch_of(loader: Any, resize: Any) -> list[tuple[int, list[int]]]:
    """Train an epoch; return side and labels of each batch."""
    return [(batch[0].shape[-1], batch[1].tolist()) for batch in resize.batches(loader)]


SNAP = Phases(phases=[(0, 16), (2, 24), (5, 32)])


@pytest.mark.parametrize("prefetcher", [False, True])
def test_sizes_that_snap_to_the_nearest_one_are_phases(prefetcher: bool) -> None:
    data = Numbered()
    settings: dict[str, Any] = {
        "input_size": (3, 32, 32), "batch_size": 4, "is_training": True,
        "num_workers": 0, "persistent_workers": False, "use_prefetcher": prefetcher,
        "device": torch.device("cpu"),
    }  # fmt: skip
    theirs = create_loader(
        data, **settings, input_size_choices=SIZES, batch_choice_schedule="progressive",
        batch_schedule_epochs=7, batch_schedule_spread=0, batch_schedule_random_mix=0,
    )  # fmt: skip
    plain = create_loader(data, **settings)
    resize = ProgressiveResize(SNAP, epochs=7, steps_per_epoch=len(plain))
    if prefetcher:
        plain.loader = sized(plain.loader, resize)
        mine = plain
    else:
        mine = sized(plain, resize)
    assert len(mine) == len(theirs) == 6
    batches = theirs.loader if prefetcher else theirs
    for epoch in range(7):
        batches.batch_sampler.set_epoch(epoch)
        shapes = [tuple(images.shape) for images, _ in theirs]
        assert shapes == [tuple(images.shape) for images, _ in resize.batches(mine)]


def test_the_weights_of_each_epoch() -> None:
    sampler = ScheduledBatchSampler(
        SequentialSampler(range(64)), (4, 4, 4), choice_schedule="progressive",
        schedule_epochs=5,
    )  # fmt: skip
    plan = Moving().plan(epochs=5, steps_per_epoch=100, final_size=32)
    for epoch, stage in enumerate(plan.stages):
        theirs = sampler.choice_weights_for_epoch(epoch).tolist()
        mine = [float(stage.weights[Size(side, side)]) for side in SIZES]
        assert mine == pytest.approx(theirs, abs=2e-3)


def test_sizes_move_from_the_first_to_the_last() -> None:
    loader, resize = ours(Moving(), Numbered(120), epochs=5)
    counts = [Counter(side for side, _ in epoch_of(loader, resize)) for _ in range(5)]
    assert counts[0].most_common(1)[0][0] == 16
    assert counts[4].most_common(1)[0][0] == 32
    means = [sum(count.elements()) for count in counts]
    assert means == sorted(means)
    assert all(sum(count.values()) == len(loader) == 30 for count in counts)


@pytest.mark.parametrize("schedule", [Moving(), MultiScale(sizes=SIZES, every=1), SNAP])
def test_all_ranks_have_the_same_sizes_and_samples_of_their_own(
    schedule: Schedule,
) -> None:
    ranks = []
    for rank in range(2):
        loader, resize = ours(schedule, Numbered(), rank=rank, epochs=7)
        epochs = []
        for epoch in range(7):
            loader.sampler.set_epoch(epoch)
            epochs.append(epoch_of(loader, resize))
        ranks.append(epochs)
    for first, second in zip(*ranks, strict=True):
        assert [side for side, _ in first] == [side for side, _ in second]
        one, other = ({n for _, labels in e for n in labels} for e in (first, second))
        assert not one & other
        assert one | other == set(range(24))


def test_persistent_workers_follow_the_epochs() -> None:
    loader, resize = ours(
        SNAP, Numbered(8), epochs=7, num_workers=1, persistent_workers=True
    )
    sides = [{side for side, _ in epoch_of(loader, resize)} for _ in range(7)]
    assert sides == [{16}, {16}, {24}, {24}, {24}, {32}, {32}]
    assert resize.mismatched == 0


@pytest.mark.parametrize("count", [24, 23, 21])
def test_a_batch_for_each_size_and_exact_lengths(count: int) -> None:
    # timm: input_size_choices=(16, 24, 32), batch_size_choices=(12, 6, 4)
    grow = Grow({16: 12, 24: 6, 32: 4}, batch=4)
    loader, resize = ours(SNAP, Numbered(count), epochs=7, batch_size=grow)
    for epoch in range(7):
        length = len(loader)
        batches = epoch_of(loader, resize)
        assert len(batches) == length
        batch = {16: 12, 24: 6, 32: 4}[batches[0][0]]
        assert max(len(labels) for _, labels in batches) <= batch
        # timm repeats samples, or leaves some out, so that all epochs are of a length.
        labels = [n for _, each in batches for n in each]
        assert len(labels) == len(set(labels)) == 20 + 4 * (count == 24), epoch
        assert length == math.ceil(len(labels) / batch)


def test_the_same_seed_gives_the_same_sizes_and_another_one_others() -> None:
    def sides(seed: int) -> list[int]:
        plan = Moving(seed=seed).plan(epochs=3, steps_per_epoch=30, final_size=32)
        return [plan.size_at(step).width for step in range(90)]

    assert sides(0) == sides(0) != sides(1)


def test_a_resumed_run_continues_within_the_epoch() -> None:
    # timm continues with the beginning of the epoch.
    loader, resize = ours(Moving(), Numbered())
    whole = [side for _ in range(3) for side, _ in epoch_of(loader, resize)]
    loader, first = ours(Moving(), Numbered())
    epoch_of(loader, first)
    for _ in zip(first.batches(loader), range(2), strict=False):
        state = first.state_dict()
    loader, rest = ours(Moving(), Numbered())
    rest.load_state_dict(state)
    sides = [images.shape[-1] for images, _ in rest.batches(islice(loader, 2, None))]
    sides += [side for side, _ in epoch_of(loader, rest)]
    assert sides == whole[8:]
    assert rest.is_over


def test_more_fields_of_a_sample_stay() -> None:
    resize = ProgressiveResize(SNAP, epochs=7, steps_per_epoch=6)
    loader = sized(torch.utils.data.DataLoader(Named(24, named=True), 4), resize)
    images, labels, names = next(iter(loader))
    assert images.shape == (4, 3, 16, 16)
    assert list(names) == [f"image {n}" for n in labels.tolist()]


class Named(Numbered):
    """As tensors, which the default collate takes."""

    def __init__(self, count: int = 24, *, named: bool = False) -> None:
        super().__init__(count, named=named)
        self.transform = v2.Compose([v2.PILToTensor(), v2.RandomResizedCrop(32)])


def test_mixup_on_the_way_to_the_device() -> None:
    resize = ProgressiveResize(SNAP, epochs=7, steps_per_epoch=6)
    loader = create_loader(
        Numbered(), (3, 32, 32), 4, is_training=True, num_workers=0,
        persistent_workers=False, device=torch.device("cpu"),
        collate_fn=FastCollateMixup(mixup_alpha=0.2, num_classes=24),
    )  # fmt: skip
    loader.loader = sized(loader.loader, resize)
    for images, targets in resize.batches(loader):
        assert images.shape == (4, 3, 16, 16)
        assert images.dtype == torch.float32
        assert targets.shape == (4, 24)


def test_the_multi_epochs_loader_which_timm_refuses() -> None:
    loader, resize = ours(SNAP, Numbered(8), epochs=7, use_multi_epochs_loader=True)
    sides = [{side for side, _ in epoch_of(loader, resize)} for _ in range(7)]
    assert sides == [{16}, {16}, {24}, {24}, {24}, {32}, {32}]


@pytest.mark.parametrize("bad", [0, -1, (16, 0), (3, 16, 16)])
def test_sizes_that_are_none(bad: Any) -> None:
    with pytest.raises(ValueError, match="sizes"):
        MultiScale(sizes=[bad, 32])
    with pytest.raises(ValueError, match="phases"):
        Phases(phases=[(0, bad), (1, 32)])


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ({"samples_per_epoch": 0, "batch_size": 4}, "samples_per_epoch must be"),
        ({"samples_per_epoch": 8, "batch_size": 0}, "batch_size must be"),
        ({"epochs": 0, "steps_per_epoch": 4}, "epochs must be"),
    ],
)
def test_lengths_that_are_none(length: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProgressiveResize(SNAP, **({"epochs": 7} | length))
