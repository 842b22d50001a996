"""Counting batches and optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
import torch

from upsize.run import BatchCounter, Position
from upsize.run._position import advance


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)


def fail(now: bool, error: type[BaseException] = RuntimeError) -> None:
    if now:
        raise error


def batches(counter: BatchCounter, n: int = 3) -> Iterator[int]:
    """Hand out batches as a loop does."""
    counter.settle()
    with counter.seen.watching():
        for batch in range(n):
            counter.settle()
            counter.take()
            try:
                yield batch
            except GeneratorExit:
                counter.leave()
                raise
        counter.settle()
    counter.end_epoch()


class TestAdvance:
    def test_an_epoch_of_unknown_length(self) -> None:
        position = Position()
        for _ in range(5):
            position = advance(position, 2, None)
        assert position == Position(step=2, batch=5, window=1)

    def test_the_end_of_an_epoch_closes_the_window(self) -> None:
        assert advance(Position(1, 2, 0), 2, 3) == Position(2, epoch_step=2)


class TestBatchCounter:
    def test_steps_per_epoch(self) -> None:
        assert BatchCounter(12, 2, 5).steps_per_epoch == 3
        assert BatchCounter(12, 2, None).steps_per_epoch is None

    def test_ahead_of_the_current_batch(self) -> None:
        counter = BatchCounter(10, 2, 3)
        assert list(islice(counter.ahead(None), 6)) == [0, 0, 1, 2, 2, 3]
        counter.take()
        assert list(islice(counter.ahead(None), 5)) == [0, 1, 2, 2, 3]

    def test_ahead_of_a_resumed_epoch(self) -> None:
        counter = BatchCounter(10, 1, 3)
        counter.load(Position(step=5, batch=2, epoch_step=3))
        assert list(islice(counter.ahead(3), 4)) == [5, 5, 5, 6]
        assert list(islice(counter.ahead(1), 2)) == [5, 6]
        counter.count()
        assert list(islice(counter.ahead(3), 2)) == [6, 7]


class TestTheCurrentBatch:
    """Whether the batch in which a loop is left was trained on."""

    def test_counts_in_the_body(self) -> None:
        counter = BatchCounter(10, 1, 3)
        assert [counter.done().step for _ in batches(counter)] == [1, 2, 3]

    def test_counts_after_break(self) -> None:
        counter = BatchCounter(10, 1, 3)
        for batch in batches(counter):
            if batch == 1:
                break
        assert counter.done().step == 2
        assert [counter.done().step for _ in batches(counter, 1)] == [3]

    def test_counts_after_break_behind_the_optimizer_s_step(self) -> None:
        counter, sgd = BatchCounter(10, 1, 3), optimizer()
        for batch in batches(counter):
            sgd.step()
            if batch == 1:
                break
        assert counter.done().step == 2

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_does_not_count_while_an_exception_is_handled(
        self, error: type[BaseException]
    ) -> None:
        counter = BatchCounter(10, 1, 3)
        try:
            for batch in batches(counter):
                fail(batch == 1, error)
        except error:
            assert counter.done().step == 1

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_does_not_count_after_an_exception_before_the_optimizer_s_step(
        self, error: type[BaseException]
    ) -> None:
        counter, sgd = BatchCounter(10, 1, 5), optimizer()
        with pytest.raises(error):  # noqa: PT012 - it is the loop that is left
            for batch in batches(counter, 5):
                fail(batch == 4, error)
                sgd.step()
        assert counter.done() == Position(4, 4)
        # Nor when training continues.
        for _ in batches(counter, 1):
            assert counter.step() == 4

    def test_counts_after_an_exception_behind_the_optimizer_s_step(self) -> None:
        counter, sgd = BatchCounter(10, 1, 5), optimizer()
        with pytest.raises(RuntimeError):  # noqa: PT012 - it is the loop that is left
            for batch in batches(counter, 5):
                sgd.step()
                fail(batch == 3)
        assert counter.done().step == 4

    def test_an_exception_that_is_handled_in_the_body(self) -> None:
        counter, sgd = BatchCounter(10, 1, 5), optimizer()
        done = []
        for batch in batches(counter, 3):
            try:
                fail(batch == 1)
                sgd.step()
            except RuntimeError:
                done.append(counter.done().step)
        assert done == [1]
        assert counter.step() == 3  # the loop went on, batch by batch

    def test_no_hook_stays(self) -> None:
        from torch.optim.optimizer import _global_optimizer_post_hooks

        before = len(_global_optimizer_post_hooks)
        for _ in batches(BatchCounter(10, 1, 3)):
            assert len(_global_optimizer_post_hooks) == before + 1
            break
        assert len(_global_optimizer_post_hooks) == before
