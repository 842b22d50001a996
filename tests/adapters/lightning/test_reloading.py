"""Loaders that are made again for each epoch, with other batches and images."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.adapters.lightning.test_sizes import TwoOptimizers
from tests.adapters.lightning.tools import Module, callback, dataset, trainer
from torch.utils.data import DataLoader

from upsize.schedule import Linear, Phases, Ramp

RELOAD = {"reload_dataloaders_every_n_epochs": 1}
EPOCHS = Phases(phases=((0, 16), (2, 24), (3, 32)), final_size=32)
SHARES = Phases(phases=((0, 16), (0.5, 24), (0.75, 32)), final_size=32)
STEPS = Phases(phases=((0, 16), ("10st", 24), ("15st", 32)), final_size=32)


class Curriculum(Module):
    """Has an epoch for each number of batches, and notes the widths of each."""

    def __init__(self, lengths: list[int]) -> None:
        super().__init__()
        self.lengths, self.asked = lengths, 0
        self.seen: list[list[int]] = [[] for _ in lengths]

    def train_dataloader(self) -> Any:
        length = self.lengths[self.trainer.current_epoch]
        return DataLoader(dataset(2 * length), batch_size=2)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.seen[self.trainer.current_epoch].append(batch[0].shape[-1])
        return super().training_step(batch, batch_idx)


class Manual(Curriculum, TwoOptimizers):
    pass


def of_epochs(lengths: list[int], sides: tuple[int, ...]) -> list[list[int]]:
    return [[side] * n for side, n in zip(sides, lengths, strict=True)]


LENGTHS = [[10, 5, 4, 2], [2, 4, 5, 10], [3, 9, 1, 7]]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("schedule", [EPOCHS, SHARES])
@pytest.mark.parametrize("more", [{}, {"accumulate_grad_batches": 2}])
def test_an_epoch_is_that_epoch(
    lengths: list[int], schedule: Any, more: dict[str, int], tmp_path: Path
) -> None:
    resize, module = callback(schedule), Curriculum(lengths)
    trainer(tmp_path, resize, **RELOAD, **more).fit(module)
    assert module.seen == of_epochs(lengths, (16, 16, 24, 32))


@pytest.mark.parametrize("lengths", LENGTHS[:2], ids=str)
def test_with_manual_optimization(lengths: list[int], tmp_path: Path) -> None:
    resize, module = callback(EPOCHS), Manual(lengths)
    trainer(tmp_path, resize, **RELOAD).fit(module)
    assert module.widths == list(chain(*of_epochs(lengths, (16, 16, 24, 32))))


RAMP = Ramp(final_size=32, start=2, finish=3, increase_by=8)


@pytest.mark.parametrize("schedule", [EPOCHS, RAMP])
@pytest.mark.parametrize("lengths", [[2, 4, 5, 10], [5, 3, 2, 6]], ids=str)
def test_moments_in_epochs_of_a_run_of_steps(
    lengths: list[int], schedule: Any, tmp_path: Path
) -> None:
    resize, module = callback(schedule), Curriculum(lengths)
    trainer(tmp_path, resize, max_epochs=-1, max_steps=sum(lengths), **RELOAD).fit(
        module
    )
    assert module.seen == of_epochs(lengths, (16, 16, 24, 32))


def test_a_full_size_beyond_the_run_is_said(tmp_path: Path) -> None:
    """By the length of the first epoch, before others are known."""
    resize, module = callback(EPOCHS), Curriculum([10, 5, 4, 2])
    made = trainer(tmp_path, resize, max_epochs=-1, max_steps=21, **RELOAD)
    with pytest.warns(UserWarning, match="last of 21 steps trains at 24x24|ended at"):
        made.fit(module)
    assert module.seen == of_epochs(module.lengths, (16, 16, 24, 24))


@pytest.mark.parametrize("schedule", [SHARES, STEPS])
@pytest.mark.parametrize("lengths", LENGTHS[:2], ids=str)
def test_other_moments_of_a_run_of_steps(
    lengths: list[int], schedule: Any, tmp_path: Path
) -> None:
    resize, module = callback(schedule), Curriculum([*lengths, 20])
    trainer(tmp_path, resize, max_epochs=-1, max_steps=20, **RELOAD).fit(module)
    assert module.widths == [16] * 10 + [24] * 5 + [32] * 5


def test_sizes_within_an_epoch_are_spread_over_it(tmp_path: Path) -> None:
    resize = callback(
        Linear(initial_size=16, final_size=32, start=1, finish=3, multiple_of=4)
    )
    module = Curriculum([4, 8, 2, 1])
    trainer(tmp_path, resize, **RELOAD).fit(module)
    assert resize.plan.total_steps == 16
    expected = [
        [resize.plan.size_at(4 * epoch + 4 * n // length).width for n in range(length)]
        for epoch, length in enumerate(module.lengths)
    ]
    assert module.seen == expected
    assert len(set(chain(*expected))) > 2


@pytest.mark.parametrize("step", [4, 7, 12, 15, 18])
def test_a_resumed_run_goes_on(step: int, tmp_path: Path) -> None:
    lengths = [4, 8, 4, 4]
    save = ModelCheckpoint(
        tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1,
        save_on_train_epoch_end=False,
    )  # fmt: skip
    whole = Curriculum(lengths)
    trainer(tmp_path, callback(EPOCHS), save, enable_checkpointing=True, **RELOAD).fit(
        whole
    )
    assert whole.seen == of_epochs(lengths, (16, 16, 24, 32))
    resize, rest = callback(EPOCHS), Curriculum(lengths)
    path = tmp_path / f"step={step}.ckpt"
    trainer(tmp_path, resize, **RELOAD).fit(rest, ckpt_path=str(path))
    # Lightning begins the data of an epoch again in mid-epoch, so the number of batches
    # is its own; the size of each epoch is not.
    assert [set(sizes) for sizes in rest.seen[2:]] == [
        set(sizes) if rest.seen[epoch] else set()
        for epoch, sizes in enumerate(whole.seen)
    ][2:]
    assert resize.plan.total_steps == 16
    assert rest.seen[3]


def test_more_epochs_warn_as_ever(tmp_path: Path) -> None:
    first = Curriculum([4, 8, 4, 4])
    made = trainer(tmp_path, callback(EPOCHS), **RELOAD)
    made.fit(first)
    made.save_checkpoint(tmp_path / "end.ckpt")
    longer = Curriculum([4, 8, 4, 4, 9, 3])
    with pytest.warns(UserWarning, match="saved run has 16 steps and this one 24"):
        trainer(tmp_path, callback(EPOCHS), max_epochs=6, **RELOAD).fit(
            longer, ckpt_path=str(tmp_path / "end.ckpt")
        )
    assert longer.seen[4:] == [[32] * 9, [32] * 3]


def test_an_epoch_without_a_length_is_its_epoch(tmp_path: Path) -> None:
    from tests.adapters.lightning.test_sizes import Stream

    class Mixed(Curriculum):
        def train_dataloader(self) -> Any:
            if self.trainer.current_epoch == 1:
                return DataLoader(Stream(), batch_size=4)
            return super().train_dataloader()

    module = Mixed([3, 0, 3, 3])
    trainer(tmp_path, callback(EPOCHS), **RELOAD).fit(module)
    assert [set(sizes) for sizes in module.seen] == [{16}, {16}, {24}, {32}]


@pytest.mark.parametrize("schedule", [EPOCHS, SHARES])
@pytest.mark.parametrize(
    "length", [{"max_epochs": 4}, {"max_epochs": -1, "max_steps": 12}]
)
def test_sized_loaders_get_the_sizes_of_their_steps(
    schedule: Any, length: dict[str, int], tmp_path: Path
) -> None:
    import torch
    from torchvision.datasets import FakeData
    from torchvision.transforms.v2 import Compose, RandomResizedCrop, ToDtype, ToImage

    from upsize.lightning import sized

    crop = Compose(
        [ToImage(), ToDtype(torch.float32, scale=True), RandomResizedCrop(32)]
    )
    resize = callback(schedule)
    ahead: list[tuple[int, list[int]]] = []

    class Sized(Curriculum):
        def train_dataloader(self) -> Any:
            length = self.lengths[self.trainer.current_epoch]
            data = FakeData(2 * length, (3, 40, 40), 2, transform=crop)
            return sized(DataLoader(data, batch_size=2), resize)

        def on_train_batch_start(self, *_: Any) -> None:
            assert resize._run is not None
            counter = resize._counter
            ahead.append((counter.step(), list(islice(counter.ahead(None), 9))))

    module = Sized([2, 6, 3, 1])
    trainer(tmp_path, resize, **RELOAD, **length).fit(module)
    if schedule is EPOCHS or "max_steps" not in length:
        assert module.seen == of_epochs(module.lengths, (16, 16, 24, 32))
    else:
        assert module.widths == [16] * 6 + [24] * 3 + [32] * 3
    assert resize.mismatched == 0
    # Taken after the batch was drawn, but before it is done.
    assert all(sizes == sorted(sizes) for _, sizes in ahead)
    assert all(0 <= sizes[0] - step <= 2 for step, sizes in ahead)
