"""Batches for frameworks that count every one: held ones, and merged ones after them."""

from __future__ import annotations

import pickle
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
from upsize.run._merge import HELD, MicroBatch, held_and_merged
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
    """Train as a framework does that counts every batch."""
    seen: list[Any] = []
    for batch in held_and_merged(loader, run):
        trained = run.train(batch)
        if trained is HELD:
            seen.append(HELD)
        else:
            micro = run.micro_batch
            seen.append((len(trained), trained.shape[-1], micro.batches, micro.weight))
        counter.count()
    return seen


def test_each_plain_batch_has_one_in_its_place() -> None:
    run, counter = make_run()
    small = [HELD] * 3 + [(8, 8, 4, 1.0)] + [HELD] + [(4, 8, 2, 0.5)]
    assert train(plain(), run, counter) == small
    assert train(plain(), run, counter) == small
    assert train(plain(), run, counter) == [(2, 16, 1, 0.25)] * 6
    assert counter.step() == 6
    run.finish()


def test_samples_stay_in_order() -> None:
    run, _ = make_run()
    batches = [batch for batch in held_and_merged(plain(), run) if batch is not HELD]
    assert torch.cat(batches)[:, 0, 0, 0].tolist() == [
        float(number) for number in range(6) for _ in range(2)
    ]


def test_a_framework_that_draws_ahead() -> None:
    run, counter = make_run()
    batches = list(held_and_merged(plain(), run))
    seen = []
    for batch in batches:
        seen.append(run.train(batch))
        counter.count()
    assert [each is HELD for each in seen] == [True] * 3 + [False, True, False]
    assert len(seen[3]) == 8


def test_without_merging_every_batch_comes_itself() -> None:
    run, counter = make_run(merge=False)
    batches = plain()
    for one, other in zip(batches, held_and_merged(batches, run), strict=True):
        assert one is other
    assert run.micro_batch == MicroBatch(1, 0.25)
    assert train(batches, run, counter) == [(2, 8, 1, 0.25)] * 6


def test_batches_come_alone_until_the_full_size_is_known() -> None:
    run, counter = make_run(final_size=None)
    seen = train(plain(), run, counter)
    # The first one tells the size; the rest of its window is merged.
    assert seen == [(2, 8, 1, 0.25), HELD, HELD, (6, 8, 3, 0.75), HELD, (4, 8, 2, 0.5)]


def test_a_short_last_batch() -> None:
    run, counter = make_run()
    batches = plain()
    batches[-1] = batches[-1][:1]
    seen = train(batches, run, counter)
    assert seen[3:] == [(8, 8, 4, 1.0), (2, 8, 1, 0.25), (1, 8, 1, 0.25)]


def test_a_short_last_batch_is_not_drawn_before_its_turn() -> None:
    drawn: list[Any] = []

    class Loader(DataLoader[Any]):
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                drawn.append(batch)
                yield batch

    run, _ = make_run()
    for batch in held_and_merged(Loader(torch.rand(11, 3, 16, 16), 2), run):  # type: ignore[arg-type]
        if batch is not HELD:
            break
    assert len(drawn) == 4
    drawn.clear()
    run, _ = make_run()
    batches = held_and_merged(Loader(torch.rand(7, 3, 16, 16), 2), run)  # type: ignore[arg-type]
    next(batches)
    assert len(drawn) == 3


def test_a_sized_loader_that_merges() -> None:
    resize = ProgressiveResize(
        PHASES, epochs=3, steps_per_epoch=6, accumulate=4, merge=True
    )
    loader = sized(DataLoader(Images(12), 2), resize)
    batches = list(held_and_merged(loader, resize._run))
    assert [each if each is HELD else len(each[0]) for each in batches] == [
        HELD, HELD, HELD, 8, HELD, 4,
    ]  # fmt: skip


def test_a_sized_loader_of_another_run() -> None:
    # Its batches are small, and it merges none.
    other = ProgressiveResize(PHASES, epochs=3, steps_per_epoch=6)
    run, counter = make_run()
    loader = sized(DataLoader(Images(12), 2), other)
    run.expect_sizes()
    seen = train((images for images, _ in loader), run, counter)
    assert seen[3:] == [(8, 8, 4, 1.0), HELD, (4, 8, 2, 0.5)]


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


def test_held_is_one_object() -> None:
    assert pickle.loads(pickle.dumps(HELD)) is HELD
    assert repr(HELD) == "HELD"


def test_a_limit_below_the_batch() -> None:
    run, _ = make_run(merge=1)
    with pytest.raises(ValueError, match=r"merge= allows 1 images .* has 2"):
        next(held_and_merged(plain(), run))


def test_batches_of_any_length() -> None:
    run, counter = make_run(batches=None)
    loader = [torch.rand(n, 3, 16, 16) for n in (2, 2, 3, 3, 1)]
    seen = train(loader, run, counter)
    assert [each if each is HELD else each[0] for each in seen] == [HELD, 4, HELD, 6, 1]
    assert len(listed([2, 3])) == 2
