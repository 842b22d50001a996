"""Loops over something else than the prepared loader itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from tests.adapters.accelerate.test_progress import RAMP, dataset
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from upsize.accelerate import ProgressiveResize
from upsize.schedule import Ramp


class WebLoader(IterableDataset[Any]):
    """Like that of webdataset: no DataLoader, and prepare() returns it unchanged."""

    def __iter__(self) -> Iterator[Any]:
        yield from (torch.rand(4, 3, 32, 32) for _ in range(5))


class Sized(WebLoader):
    def __len__(self) -> int:
        return 5


def drawn(batch: Any) -> int:
    """Give the width of a batch, also of a pair with its number."""
    while not isinstance(batch, torch.Tensor):
        batch = batch[-1] if isinstance(batch[0], int) else batch[0]
    return int(batch.shape[-1])


def widths(resize: ProgressiveResize, loader: Any, epochs: int = 4) -> list[int]:
    return [drawn(batch) for _ in range(epochs) for batch in resize.batches(loader)]


PLANNED = [16] * 10 + [24] * 5 + [32] * 5


@pytest.mark.parametrize(
    "kind", [WebLoader, Sized, lambda: [torch.rand(4, 3, 32, 32)] * 5]
)
def test_what_prepare_leaves_unchanged(kind: Callable[[], Any]) -> None:
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(kind())
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, total_steps=20, verbose=False
    )
    assert widths(resize, loader) == PLANNED


@pytest.mark.parametrize("length", [{}, {"epochs": 4}])
def test_its_length_is_not_believed(length: dict[str, int]) -> None:
    accelerator = Accelerator(cpu=True)
    with pytest.raises(ValueError, match=r"of a Sized may not be .* give total_steps"):
        ProgressiveResize(RAMP, accelerator, loader=Sized(), **length)


def test_epochs_of_it_are_not_known() -> None:
    ramp = Ramp(final_size=32, start=1, finish=2)
    with pytest.raises(ValueError, match="counts epochs") as caught:
        ProgressiveResize(
            ramp, Accelerator(cpu=True), loader=WebLoader(), total_steps=20
        )
    assert "as shares" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "around",
    [
        tqdm,
        enumerate,
        iter,
        lambda loader: zip(loader, range(5), strict=True),
        lambda loader: islice(loader, 5),
        lambda loader: (batch for batch in loader),
        lambda loader: tqdm(tqdm(loader)),
    ],
)
def test_around_a_prepared_loader(around: Callable[[Any], Any]) -> None:
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(DataLoader(dataset(), 4))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False
    )
    seen = []
    for _ in range(4):
        seen += [drawn(batch) for batch in resize.batches(around(loader))]
    assert seen == PLANNED


def test_a_progress_bar_around_the_batches() -> None:
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(DataLoader(dataset(), 4))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=tqdm(loader), epochs=4, verbose=False
    )
    assert resize.plan.steps_per_epoch == 5
    bar = tqdm(resize.batches(loader))
    assert bar.total == len(resize.batches(loader)) == 5
    assert [drawn(batch) for batch in bar] == [16] * 5


@pytest.mark.parametrize(
    "loader",
    [DataLoader(dataset(), 4), tqdm(DataLoader(dataset(), 4)), None],
    ids=["loader", "bar", "none"],
)
def test_what_is_not_prepared_is_refused(loader: Any) -> None:
    accelerator = Accelerator(cpu=True)
    with pytest.raises(ValueError, match=r"call accelerator\.prepare\(loader\) first"):
        ProgressiveResize(RAMP, accelerator, loader=loader, total_steps=20)
    resize = ProgressiveResize(
        RAMP, accelerator, loader=WebLoader(), total_steps=20, verbose=False
    )
    with pytest.raises(ValueError, match=r"call accelerator\.prepare\(loader\) first"):
        resize.batches(loader)
