"""Which step and accumulation window each batch of a loop belongs to."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from upsize.loop import ProgressiveResize
from upsize.run import BatchCounter, Options, Position, TrainingRun
from upsize.run import _sizes_ahead as ahead_module
from upsize.run._loop_windows import LoopWindows
from upsize.schedule import Grow, Ramp

GROWN = Ramp(final_size=64, increase_by=32).plan(
    epochs=2, samples_per_epoch=20, batch_size=Grow(8, batch=2)
)


def test_a_merged_batch_counts_as_the_batches_in_it() -> None:
    windows, one, both = LoopWindows(4, 10), Position(), Position()
    for _ in range(3):
        one = windows.advance(one)
    assert windows.advance(both, 3) == one == Position(0, 3, 3)
    assert windows.advance(one, 1) == Position(1, 4, 0)


def test_epochs_of_a_plan_in_which_batches_grow() -> None:
    windows = LoopWindows(1, None, by_epochs=True, plan=GROWN)
    assert [windows.batches_from(step) for step in (0, 3)] == [3, 10]
    assert windows.ended(Position(1, 1)) == Position(3, epoch_step=3)
    steps = [each.step for each in islice(windows.ahead(Position(), 3, skipped=0), 15)]
    assert steps == list(range(15))


def test_what_a_resumed_epoch_skips_has_no_window() -> None:
    start = Position(5, 2, 0, epoch_step=3)
    drawn = islice(LoopWindows(1, 4).ahead(start, None, skipped=2), 4)
    assert [tuple(each) for each in drawn] == [(5, 0), (5, 0), (5, 1), (6, 1)]
    grown = LoopWindows(1, None, by_epochs=True, plan=GROWN)
    drawn = islice(grown.ahead(start, 10, skipped=2), 4)
    assert [tuple(each) for each in drawn] == [(3, 0), (4, 0), (5, 1), (6, 1)]


@pytest.mark.parametrize(
    ("short", "step"), [(False, 4), (True, 6)], ids=["no batch", "an epoch is missing"]
)
def test_a_missing_epoch_ends_where_the_plan_ends_it(short: bool, step: int) -> None:
    windows = LoopWindows(2, 4, by_epochs=True)
    ended = windows.ended(Position(4, epoch_step=4), is_short=short)
    assert ended == Position(step, epoch_step=step)


def test_windows_beyond_the_end_of_an_epoch() -> None:
    windows = LoopWindows(3, 5)
    assert [windows.left(Position(2), beyond, None) for beyond in range(4)] == [
        3,
        2,
        1,
        3,
    ]


@pytest.mark.parametrize(
    ("ends", "keeps", "left"),
    [(True, False, [3, 2, 1]), (False, False, [4, 4, 4]), (True, True, [2, 1, 1])],
)
def test_the_end_of_a_pass(ends: bool, keeps: bool, left: list[int]) -> None:
    windows = LoopWindows(4, None, ends_with_pass=ends, keeps_last=keeps)
    assert [windows.mergeable(Position(), None, n) for n in (3, 2, 1)] == left
    # Whether a window ends is another question than what is merged.
    assert windows.left(Position(), None, 3) == (3 if ends else 4)


@pytest.mark.parametrize("what", ["sizes", "windows"])
def test_a_plan_is_asked_once_in_a_pass(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, sizes_of = [], ahead_module.sizes_of

    def counted(*args: Any) -> Any:
        asked.append(args)
        return sizes_of(*args)

    monkeypatch.setattr(ahead_module, "sizes_of", counted)
    counter = BatchCounter(6, 2, 6)
    run = TrainingRun(Options(Ramp(final_size=64), verbose=False), counter)
    assert len(list(islice(getattr(run.ahead, what)(6), 12))) == 12
    assert len(asked) == 1


def test_a_loop_tells_its_sizes_itself_too() -> None:
    resize = ProgressiveResize(Ramp(final_size=64), total_steps=4)
    for source in (resize, resize.size_source):
        assert source.final_size == (64, 64)
        assert next(source.sizes_ahead(None)) == (32, 32)
