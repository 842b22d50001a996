"""Epochs that are shorter or longer than the first one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers
from tests.adapters.transformers.tools import Images, ResizedTrainer, trainer
from torch.utils.data import DataLoader, Sampler
from transformers import TrainerCallback

from upsize.schedule import Phases

# Epochs 0 and 1, 2, 3.
EPOCHS = Phases(phases=((0, 16), (2, 24), (3, 32)), final_size=32)


class Changing(Sampler[list[int]]):
    """Another number of batches of two in each pass."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths, self.passes = lengths, 0

    def __len__(self) -> int:
        return self.lengths[max(self.passes - 1, 0)]

    def __iter__(self) -> Iterator[list[int]]:
        self.passes += 1
        yield from ([2 * n, 2 * n + 1] for n in range(len(self)))


class Curriculum(ResizedTrainer):
    lengths = (5, 3, 2, 4)

    def get_train_dataloader(self) -> Any:
        sampler = Changing(list(self.lengths))
        loader: Any = DataLoader(Images(), batch_sampler=sampler)
        return loader


def widths(made: Any) -> list[int]:
    return [width for _, _, width in made.seen]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_shorter_epoch_is_that_epoch(accumulate: int, tmp_path: Path) -> None:
    made = trainer(
        tmp_path, kind=Curriculum, schedule=EPOCHS,
        gradient_accumulation_steps=accumulate,
    )  # fmt: skip
    made.train()
    # transformers 5.0 asks for the length of an epoch before it begins, and ends the
    # last one early, also without upsize.
    last = 2 if transformers.__version__.startswith("5.0.") else 4
    assert widths(made) == [16] * 8 + [24] * 2 + [32] * last


class Ending(TrainerCallback):
    """Ends each epoch early."""

    def __init__(self, batches: int) -> None:
        self.batches, self.done = batches, 0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.done = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.done += 1
        control.should_epoch_stop = self.done >= self.batches


@pytest.mark.parametrize("sized", [False, True])
def test_an_epoch_that_is_stopped_is_that_epoch(sized: bool, tmp_path: Path) -> None:
    more: dict[str, Any] = {}
    if sized:
        more = {"sized": True, "set_size": _set_size, "train_dataset": Small()}
    made = trainer(tmp_path, schedule=EPOCHS, callbacks=[Ending(2)], **more)
    made.train()
    assert widths(made) == [16] * 4 + [24] * 2 + [32] * 2
    assert made.mismatched == 0


class Small(Images):
    """Makes its images at a size that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.side = 32

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = super().__getitem__(index)
        return row | {"pixel_values": row["pixel_values"][:, : self.side, : self.side]}


def _set_size(dataset: Any, size: Any) -> None:
    dataset.side = size.width
