"""Epochs that end before their planned batches: the next one begins at its own step."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.adapters.lightning.test_sizes import TwoOptimizers
from tests.adapters.lightning.tools import Module, callback, dataset, loader, trainer
from torch.utils.data import DataLoader, IterableDataset
from torchvision.transforms import v2

from upsize.lightning import sized
from upsize.schedule import Phases

SHARES = Phases(phases=((0, 16), (0.5, 24), (0.75, 32)), final_size=32)
EPOCHS = Phases(phases=((0, 16), (2, 24), (3, 32)), final_size=32)


class Stream(IterableDataset[Any]):
    """Has fewer samples than the trainer may take."""

    def __init__(self, count: int = 12) -> None:
        self.count = count
        self.transform = v2.Resize((32, 32))

    def __iter__(self) -> Any:
        for index in range(self.count):
            yield self.transform(torch.rand(3, 40, 40)), index % 2


class Noting(Module):
    """Notes the widths of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, list[int]] = {}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        widths = self.seen.setdefault(self.trainer.current_epoch, [])
        widths.append(batch[0].shape[-1])
        return super().training_step(batch, batch_idx)


class Skipping(Noting):
    """Skips the rest of each epoch."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        return -1 if batch_idx == 3 else None


class Manual(Skipping, TwoOptimizers):
    pass


WANTED = {0: [16] * 3, 1: [16] * 3, 2: [24] * 3, 3: [32] * 3}
LIMIT = {"limit_train_batches": 5}


@pytest.mark.parametrize("schedule", [SHARES, EPOCHS])
@pytest.mark.parametrize("more", [{}, {"accumulate_grad_batches": 2}])
def test_of_a_stream_that_is_shorter_than_its_limit(
    schedule: Any, more: dict[str, int], tmp_path: Path
) -> None:
    module = Noting()
    made = trainer(tmp_path, callback(schedule), **LIMIT, **more)
    made.fit(module, DataLoader(Stream(), 4))
    assert module.seen == WANTED


@pytest.mark.parametrize("kind", [Skipping, Manual])
def test_of_a_hook_that_skips_the_rest(kind: Any, tmp_path: Path) -> None:
    module = kind()
    trainer(tmp_path, callback(SHARES)).fit(module, loader())
    assert module.seen == WANTED


def test_a_sized_loader_knows(tmp_path: Path) -> None:
    module, resize = Noting(), callback(SHARES)
    made = trainer(tmp_path, resize, **LIMIT)
    made.fit(module, sized(DataLoader(Stream(), 4), resize))
    assert (module.seen, resize.mismatched) == (WANTED, 0)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_resumed_run_continues_at_its_epoch(epoch: int, tmp_path: Path) -> None:
    saves = ModelCheckpoint(
        tmp_path, "{epoch}", save_top_k=-1, auto_insert_metric_name=False
    )
    made = trainer(
        tmp_path, callback(SHARES), saves, **LIMIT, enable_checkpointing=True
    )
    made.fit(Noting(), DataLoader(Stream(), 4))
    module = Noting()
    made = trainer(tmp_path, callback(SHARES), **LIMIT)
    made.fit(module, DataLoader(Stream(), 4), ckpt_path=tmp_path / f"{epoch}.ckpt")
    assert module.seen == {key: each for key, each in WANTED.items() if key > epoch}


def test_a_run_of_steps_counts_each(tmp_path: Path) -> None:
    module = Noting()
    made = trainer(tmp_path, callback(SHARES), max_epochs=-1, max_steps=12, **LIMIT)
    made.fit(module, DataLoader(Stream(), 4))
    assert list(chain(*module.seen.values())) == [16] * 6 + [24] * 3 + [32] * 3


def test_a_second_fit_with_other_images_has_a_plan_of_its_own(tmp_path: Path) -> None:
    schedule = Phases(phases=((0, 0.5), (0.5, 1.0)))
    module, made = Skipping(), trainer(tmp_path, callback(schedule), max_epochs=2)
    made.fit(module, loader())
    assert module.seen == {0: [16] * 3, 1: [32] * 3}
    made.fit_loop.max_epochs = 6
    made.fit(module, DataLoader(dataset(20, side=48), 4))
    assert module.seen[2] + module.seen[3] == [24] * 6
    assert module.seen[5][-1] == 48  # by steps: it began within the trainer's epochs


def test_a_stream_of_no_known_length_has_no_epochs_to_begin(tmp_path: Path) -> None:
    saves = ModelCheckpoint(tmp_path, "first", every_n_epochs=1)
    made = trainer(
        tmp_path, callback(SHARES, total_steps=24), saves, max_epochs=2,
        enable_checkpointing=True,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="training ended at 16x16"):
        made.fit(Noting(), DataLoader(Stream(), 4))
    module, made = Noting(), trainer(tmp_path, callback(SHARES, total_steps=36))
    made.fit_loop.max_epochs = 12
    with pytest.warns(UserWarning, match="the saved run has 24 steps and this one 36"):
        made.fit(module, DataLoader(Stream(), 4), ckpt_path=tmp_path / "first.ckpt")
    widths = list(chain(*module.seen.values()))
    assert len(widths) == 30
    # After 6 steps: 24 from step 12 of the saved run on, 32 from its step 18.
    assert widths == [16] * 6 + [24] * 6 + [32] * 18
