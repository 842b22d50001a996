"""Merged batches of a loop that counts what each of them holds."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch
from tests.core.merging import Images, listed
from torch import Tensor
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.run import BatchCounter, Options, TrainingRun
from upsize.run._merge import micro_batches
from upsize.run._waiting import WaitingBatches
from upsize.schedule import Phases

PHASES = Phases(phases=((0, 8), (2, 16)))


def make_run(
    *, final_size: int | None = 16, merge: Any = True, batches: int | None = 6
) -> tuple[TrainingRun, BatchCounter]:
    phases = Phases(phases=((0, 0.5), ("4st", 1.0)))
    counter = BatchCounter(6, 4, batches)
    options = Options(phases, final_size, verbose=False, merge=merge)
    return TrainingRun(options, counter), counter


def plain(n: int = 6) -> list[Tensor]:
    return [torch.full((2, 3, 16, 16), float(number)) for number in range(n)]


def train(loader: Any, run: TrainingRun, counter: BatchCounter) -> list[Any]:
    """Train as a loop does that counts the batches in each micro-batch."""
    seen: list[Any] = []
    for batch, number in micro_batches(
        loader, run, lambda: None, lambda _: counter.left()
    ):
        counter.take(number)
        weight = counter.taken / counter.accumulate
        seen.append((len(batch), batch.shape[-1], counter.taken, weight))
        counter.count()
    return seen


def test_a_window_is_merged_while_images_are_small() -> None:
    run, counter = make_run()
    small = [(8, 8, 4, 1.0), (4, 8, 2, 0.5)]
    assert train(plain(), run, counter) == small
    assert train(plain(), run, counter) == small
    assert train(plain(), run, counter) == [(2, 16, 1, 0.25)] * 6
    assert counter.step() == 6
    run.finish()


def test_samples_stay_in_order() -> None:
    run, counter = make_run()
    found = micro_batches(plain(4), run, lambda: None, lambda _: counter.left())
    assert torch.cat([batch for batch, _ in found])[:, 0, 0, 0].tolist() == [
        float(number) for number in range(4) for _ in range(2)
    ]


def test_the_first_batch_tells_the_full_size() -> None:
    run, counter = make_run(final_size=None)
    assert train(plain(), run, counter) == [(8, 8, 4, 1.0), (4, 8, 2, 0.5)]


def test_a_short_last_batch() -> None:
    run, counter = make_run()
    batches = plain()
    batches[-1] = batches[-1][:1]
    seen = train(batches, run, counter)
    assert seen == [(8, 8, 4, 1.0), (2, 8, 1, 0.25), (1, 8, 1, 0.25)]


def test_a_short_last_batch_is_not_drawn_before_its_turn() -> None:
    drawn: list[Any] = []

    class Loader(DataLoader[Any]):
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                drawn.append(batch)
                yield batch

    def first(count: int) -> None:
        drawn.clear()
        run, counter = make_run()
        loader: Any = Loader(torch.rand(count, 3, 16, 16), 2)  # type: ignore[arg-type]
        next(micro_batches(loader, run, lambda: None, lambda _: counter.left()))

    first(11)
    assert len(drawn) == 4
    first(7)
    assert len(drawn) == 3


def test_a_sized_loader_that_merges() -> None:
    resize = ProgressiveResize(
        PHASES, epochs=3, steps_per_epoch=6, accumulate=4, merge=True
    )
    loader = sized(DataLoader(Images(12), 2), resize)
    found = micro_batches(loader, resize._run, lambda: None, lambda _: 1)
    assert [(len(batch[0]), number) for batch, number in found] == [(8, 4), (4, 2)]


def test_a_sized_loader_of_another_run() -> None:
    # Its batches are small, and it merges none.
    other = ProgressiveResize(PHASES, epochs=3, steps_per_epoch=6)
    run, counter = make_run()
    loader = sized(DataLoader(Images(12), 2), other)
    run.reader.expect_sizes()
    seen = train((images for images, _ in loader), run, counter)
    assert seen == [(8, 8, 4, 1.0), (4, 8, 2, 0.5)]


def test_sized_loaders_in_a_row() -> None:
    resize = ProgressiveResize(
        PHASES, epochs=3, steps_per_epoch=9, accumulate=4, merge=True
    )
    assert resize.loss_weight == 0.25
    one = sized(DataLoader(Images(6), 2), resize)
    other = sized(DataLoader(Images(12), 2), resize)
    batches = list(resize.batches(chain(one, other)))
    # The second loader knows that it begins within a window.
    assert [len(images) for images, _ in batches] == [6, 2, 8, 2]


def test_a_limit_below_the_batch() -> None:
    run, counter = make_run(merge=1)
    with pytest.raises(ValueError, match=r"merge= allows 1 images .* has 2"):
        train(plain(), run, counter)


@pytest.mark.parametrize(
    ("merge", "sizes", "words"),
    [
        (True, (12, 16), "its smallest size 12x12 has more than half of the pixels"),
        (8, (12, 16), "its smallest size 12x12 has more than half of the pixels"),
        ({7: 4}, (8, 16), "it lists no size from 8x8 on, the smallest one"),
    ],
)
def test_a_plan_in_which_nothing_is_merged(merge: Any, sizes: Any, words: str) -> None:
    phases = Phases(phases=((0, sizes[0]), (0.5, sizes[1])))
    run = TrainingRun(Options(phases, 16, merge=merge), BatchCounter(6, 4, 6), say=None)
    with pytest.warns(UserWarning, match=f"merges nothing in this plan: {words}"):
        run.train(plain(1)[0])
    run.train(plain(1)[0])  # says it once


@pytest.mark.parametrize("verbose", [True, False])
def test_what_the_loss_is_taken_for_is_said_once(verbose: bool) -> None:
    said: list[str] = []
    phases = Phases(phases=((0, 8), (0.5, 16)))
    options = Options(phases, 16, merge=True, verbose=verbose)
    run = TrainingRun(options, BatchCounter(6, 4, 6), say=said.append)
    waiting, about = WaitingBatches(run), []
    for number in range(12):
        waiting.add(run.train(plain(1)[0]), 4 - number % 4)
        if number % 4 == 3:
            waiting.take()
        about = [
            text for text in said if "which is right for a mean over images" in text
        ]
        assert len(about) == (verbose and number >= 3)


def test_batches_of_any_length() -> None:
    run, counter = make_run(batches=None)
    loader = [torch.rand(n, 3, 16, 16) for n in (2, 2, 3, 3, 1)]
    seen = train(loader, run, counter)
    assert [each[0] for each in seen] == [4, 6, 1]
    assert len(listed([2, 3])) == 2
