"""Batches that wait for those that they are trained on with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from upsize.run import BatchCounter, Options, TrainingRun
from upsize.run._merge_rule import Merge
from upsize.run._waiting import WaitingBatches
from upsize.schedule import Ramp


def small(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 16, 16)


def waiting(merge: Merge = True) -> WaitingBatches:
    """Make a run that has trained its first batch at 16 of 32 pixels."""
    counter = BatchCounter(total_steps=8, accumulate=8, batches=None)
    run = TrainingRun(Options(Ramp(), merge=merge, verbose=False), counter)
    run.train(torch.rand(2, 3, 32, 32))
    return WaitingBatches(run)


@pytest.mark.parametrize(
    ("merge", "window", "expected"),
    [(True, 8, [4, 4]), (True, 5, [3, 2]), (6, 8, [3, 3, 2]), ({16: 2}, 2, [1, 1])],
)
def test_groups_of_a_window(merge: Merge, window: int, expected: list[int]) -> None:
    waits, groups = waiting(merge), []
    for left in range(window, 0, -1):
        assert len(waits) == window - left - sum(groups)
        if waits.add(small(), left):
            batch, number = waits.take()
            assert len(batch) == 2 * number
            groups.append(number)
    assert groups == expected


def test_a_window_that_ends_early() -> None:
    waits = waiting()
    assert not waits.add(small(), 8)
    assert waits.add(small(), 1)
    assert waits.take()[1] == 2


def test_a_batch_of_another_length() -> None:
    waits = waiting()
    assert waits.fits(small(1))
    waits.add(small(), 8)
    assert waits.fits(small())
    assert not waits.fits(small(1))
    waits.forget()
    assert waits.fits(small(1))


def test_a_window_of_one_is_not_read() -> None:
    waits = waiting()
    nothing = object()
    assert waits.add(nothing, 1)
    assert waits.take() == (nothing, 1)
