"""Accumulation that a loop does by hand is noticed; nothing else is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from upsize.loop import ProgressiveResize
from upsize.run._step_watch import StepWatch
from upsize.schedule import Ramp

Body = Callable[[int, Any], None]


def loader(n: int) -> list[torch.Tensor]:
    return [torch.zeros(1, 3, 8, 8)] * n


def train(
    body: Body, batches: int = 8, accumulate: int = 1, known: bool = True
) -> tuple[list[str], int]:
    """Give the warnings of some epochs, and the batches done at the first of them."""
    length: Any = {"epochs": 4, "steps_per_epoch": batches}
    resize = ProgressiveResize(
        Ramp(final_size=8, increase_by=4), accumulate=accumulate,
        **(length if known else {"total_steps": 100}),
    )  # fmt: skip
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)
    said, done = 0, 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(4):
            for n, _ in enumerate(resize.batches(loader(batches))):
                said = said or (done if caught else 0)
                body(n, sgd)
                done += 1
    assert {each.filename for each in caught} <= {__file__}
    return [str(each.message) for each in caught], said


def every(k: int, offset: int = 1, end: int | None = None) -> Body:
    def body(n: int, sgd: Any) -> None:
        if (n + offset) % k == 0 or n + 1 == end:
            sgd.step()

    return body


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("k", "batches", "body"),
    [
        (4, 8, every(4)),
        (2, 8, every(2)),
        (2, 5, every(2)),
        (2, 5, every(2, end=5)),
        (2, 3, every(2, end=3)),
        (4, 8, every(4, offset=0)),
        (2, 2, every(2)),
        (3, 9, every(3)),
    ],
)
def test_accumulation_by_hand_is_said_once(
    k: int, batches: int, body: Body, known: bool
) -> None:
    texts, said = train(body, batches, known=known)
    assert len(texts) == 1
    assert f"step after every {k} batches" in texts[0]
    assert f"give accumulate={k}" in texts[0]
    assert said <= 4 * k + 1


@pytest.mark.parametrize("k", [4, 6])
def test_more_than_was_given(k: int) -> None:
    texts, _ = train(every(k), 12, accumulate=2)
    assert len(texts) == 1
    assert f"every {k} batches, and upsize counts a step after every 2" in texts[0]
    assert f"{k // 2} times too fast; give accumulate={k}" in texts[0]


@pytest.mark.parametrize(("accumulate", "k"), [(4, 1), (4, 2), (2, 1)])
def test_less_than_was_given(accumulate: int, k: int) -> None:
    texts, _ = train(every(k), accumulate=accumulate)
    assert len(texts) == 1
    times = accumulate // k
    assert f"optimizers step {times} times within {accumulate} batches" in texts[0]
    assert f"{times} times too slowly; give accumulate={k}" in texts[0]


def closure(n: int, sgd: Any) -> None:
    """As LBFGS does, and SAM, which makes two steps."""
    sgd.step()
    sgd.step()


class Scaler:
    """Skips the first steps, and one of many later."""

    def __init__(self, first: int) -> None:
        self.first, self.calls = first, 0

    def __call__(self, n: int, sgd: Any) -> None:
        self.calls += 1
        if self.calls > self.first and self.calls % 7:
            sgd.step()


class Alternating:
    """As GANs do: one optimizer or the other, or one more often."""

    def __init__(self, ratio: int) -> None:
        self.ratio, self.calls = ratio, 0
        self.other = torch.optim.Adam([nn.Parameter(torch.zeros(1))], 0.1)

    def __call__(self, n: int, sgd: Any) -> None:
        self.calls += 1
        (sgd if self.calls % self.ratio else self.other).step()


class Critic(Alternating):
    def __call__(self, n: int, sgd: Any) -> None:
        self.calls += 1
        sgd.step()
        if self.calls % self.ratio == 0:
            self.other.step()


def lbfgs(n: int, sgd: Any) -> None:
    weight = nn.Parameter(torch.ones(1))

    def closure() -> float:
        return weight.sum().item()

    torch.optim.LBFGS([weight], max_iter=3).step(closure)


@pytest.mark.parametrize("batches", [1, 2, 8])
@pytest.mark.parametrize(
    "make",
    [
        lambda: every(1), lambda: closure, lambda: lbfgs, lambda: Scaler(0),
        lambda: Scaler(5), lambda: Alternating(2), lambda: Alternating(5),
        lambda: Critic(5), lambda: lambda n, sgd: None,
    ],
)  # fmt: skip
def test_what_is_no_accumulation(make: Callable[[], Body], batches: int) -> None:
    assert train(make(), batches) == ([], 0)


@pytest.mark.parametrize(
    ("body", "batches"), [(every(4), 8), (every(4, end=6), 6), (every(4, end=3), 3)]
)
def test_what_was_given_is_silent(body: Body, batches: int) -> None:
    assert train(body, batches, accumulate=4) == ([], 0)


def test_one_of_two_optimizers_may_step_with_each_batch() -> None:
    assert train(Critic(4), accumulate=4) == ([], 0)


def test_it_ends_when_it_is_sure() -> None:
    watch = StepWatch(1, str)
    for _ in range(2):
        assert not watch.is_sure
        assert watch.count([1], ends_window=True) is None
    assert watch.is_sure


def test_windows_of_one_batch_where_more_are_asked_for() -> None:
    watch = StepWatch(4, "use {}".format)
    texts = [watch.count([1], ends_window=True) for _ in range(3)]
    assert texts[:2] == [None, None]
    assert "every batch counts as a step, not every 4" in str(texts[2])
    assert str(texts[2]).endswith("4 times too fast; use 4")


def test_the_watch_ends_where_no_optimizer_of_pytorch_steps() -> None:
    watch = StepWatch(1, "accumulate={}".format)
    for _ in range(999):
        assert watch.count([], ends_window=True) is None
    assert not watch.is_sure
    assert watch.count([], ends_window=True) is None
    assert watch.is_sure
