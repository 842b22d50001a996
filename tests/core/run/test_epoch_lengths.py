"""Epochs that do not have the planned number of batches, in a custom loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import pytest
import torch
from torch import Tensor

from upsize.loop import ProgressiveResize
from upsize.schedule import Phases, Ramp

# Epochs 0 and 1, 2, 3.
EPOCHS = Phases(phases=((0, 16), (2, 24), (3, 32)), final_size=32)
SHARES = Phases(phases=((0, 16), (0.5, 24), (0.75, 32)), final_size=32)


def loader(n: int) -> list[Tensor]:
    return [torch.zeros(1, 3, 32, 32)] * n


def made(schedule: Any = EPOCHS, batches: int = 5, **more: Any) -> ProgressiveResize:
    length = {"epochs": 4} | more
    return ProgressiveResize(schedule, steps_per_epoch=batches, **length)


def widths(batches: Iterable[Tensor]) -> list[int]:
    return [batch.shape[-1] for batch in batches]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The warnings of a test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        texts: list[str] = []
        yield texts
        texts += [str(each.message) for each in caught]


@pytest.mark.parametrize("schedule", [EPOCHS, SHARES])
@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([5, 5, 5, 5], None),
        ([10, 8, 5, 3], "the loader has 10 batches, but steps_per_epoch leaves 5"),
        ([5, 10, 20, 40], "the loader has 10 batches, but steps_per_epoch leaves 5"),
        ([5, 3, 2, 1], "the loader has 3 batches, but steps_per_epoch leaves 5"),
        ([1, 20, 1, 20], "the loader has 1 batches, but steps_per_epoch leaves 5"),
    ],
)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_epoch_is_that_epoch(
    schedule: Any, lengths: list[int], words: str | None, accumulate: int
) -> None:
    resize = made(schedule, accumulate=accumulate)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = [widths(resize.batches(loader(n))) for n in lengths]
    sides = zip((16, 16, 24, 32), lengths, strict=True)
    assert seen == [[side] * n for side, n in sides]
    assert resize.optimizer_steps == resize.plan.total_steps
    texts = [str(each.message) for each in caught]
    assert len(texts) == (words is not None)
    assert words is None or words in texts[0]
    assert {each.filename for each in caught} <= {__file__}


def test_without_a_length_it_is_said_afterwards() -> None:
    resize = made()
    assert widths(resize.batches(iter(loader(5)))) == [16] * 5
    with pytest.warns(UserWarning, match="this epoch had 3 batches, but .* leaves 5"):
        assert widths(resize.batches(iter(loader(3)))) == [16] * 3
    assert widths(resize.batches(iter(loader(9)))) == [24] * 9
    resize = made()
    with pytest.warns(UserWarning, match="this epoch has more batches, but .* leaves"):
        assert widths(resize.batches(iter(loader(9)))) == [16] * 9


def test_several_loaders_of_an_epoch_are_chained() -> None:
    resize = made()
    parts = loader(2), loader(3)
    seen = [width for _ in range(4) for width in widths(resize.batches(chain(*parts)))]
    assert seen == [16] * 10 + [24] * 5 + [32] * 5


@pytest.mark.parametrize("schedule", [EPOCHS, SHARES])
@pytest.mark.parametrize(
    "cut",
    [
        lambda batches: islice(batches, 5),
        # The next batch is drawn, but not trained on.
        lambda batches: stop_at(5, batches),
    ],
)
def test_epochs_that_break_may_be_of_the_right_length(
    schedule: Any, cut: Callable[[Any], Any]
) -> None:
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    resize, seen = made(schedule), []
    for _ in range(4):
        for batch in cut(resize.batches(loader(100))):
            seen.append(batch.shape[-1])
            sgd.step()
    assert seen == [16] * 10 + [24] * 5 + [32] * 5
    resize.finish()


def stop_at(most: int, batches: Iterable[Any]) -> Iterator[Any]:
    for n, batch in enumerate(batches):
        if n >= most:
            break
        yield batch


@pytest.mark.parametrize("schedule", [EPOCHS, SHARES])
def test_epochs_that_break_before_the_planned_end(schedule: Any) -> None:
    """As with steps_per_epoch=len(loader): it grows, and says what to give."""
    resize, seen = made(schedule, batches=100), []
    words = "left after 5 of 100 batches, and this one is not the rest"
    with pytest.warns(UserWarning, match=words) as caught:  # noqa: PT031 - the loop
        for _ in range(4):
            for n, batch in enumerate(resize.batches(loader(100))):
                seen.append(batch.shape[-1])
                if n == 4:
                    break
    assert seen == [16] * 10 + [24] * 5 + [32] * 5
    assert len(caught) == 1
    assert "give what they train on as steps_per_epoch" in str(caught[0].message)


def test_the_rest_of_an_epoch_that_was_left_is_its_rest() -> None:
    resize = made()
    for _, batch in zip(range(2), resize.batches(loader(5)), strict=False):
        assert batch.shape[-1] == 16
    assert resize.state_dict()["batch"] in (2, 3)  # zip draws one more
    resize = made()
    for n, _ in enumerate(resize.batches(loader(5))):
        if n == 1:
            break
    assert widths(resize.batches(loader(3))) == [16] * 3
    assert resize.optimizer_steps == 5


def test_a_resumed_epoch_that_is_repeated_is_that_epoch() -> None:
    saved = made()
    for n, _ in enumerate(saved.batches(loader(5))):
        if n == 2:
            break
    resize = made()
    resize.load_state_dict(saved.state_dict())
    with pytest.warns(UserWarning, match="loader has 5 batches, but .* leaves 2 for"):
        assert widths(resize.batches(loader(5))) == [16] * 5
    assert resize.optimizer_steps == 5


def test_an_empty_rest_is_no_epoch() -> None:
    left = made()
    for n, _ in enumerate(left.batches(loader(5))):
        if n == 4:
            break
    resumed = made()
    resumed.load_state_dict(left.state_dict())
    for resize in (left, resumed):
        assert widths(resize.batches([])) == []
        assert resize.optimizer_steps == 5
        with pytest.warns(UserWarning, match="loader has 0 batches"):
            assert widths(resize.batches([])) == []  # no rest, but the next epoch
        assert resize.optimizer_steps == 10


@pytest.mark.parametrize("batches", [[], iter([])])
def test_an_epoch_without_batches_is_an_epoch(batches: Any) -> None:
    """One process of many may have none, and still trains at the size of the others."""
    resize = made()
    with pytest.warns(UserWarning, match="ha[sd] 0 batches, but .* leaves 5"):
        assert widths(resize.batches(batches)) == []
    assert resize.optimizer_steps == 5
    assert widths(resize.batches(loader(5))) == [16] * 5
    assert widths(resize.batches(loader(5))) == [24] * 5


class TestAheadOfALoader:
    """A sized loader asks for the sizes of a pass before it draws."""

    @pytest.mark.parametrize("lengths", [[10, 3, 5, 7], [1, 1, 9, 9], [5, 5, 5, 5]])
    @pytest.mark.parametrize("accumulate", [1, 2])
    @pytest.mark.filterwarnings("ignore:.* steps_per_epoch leaves")
    def test_it_gets_the_sizes_of_its_epoch(
        self, lengths: list[int], accumulate: int
    ) -> None:
        ramp = Ramp(final_size=32, start=1, finish=3, increase_by=4)
        resize = made(ramp, accumulate=accumulate)
        for length in lengths:
            ahead: list[int] = []

            def sized(n: int = length, told: list[int] = ahead) -> Iterator[Any]:
                sizes = resize.sizes_ahead(n)
                for _ in range(n):
                    told.append(next(sizes).width)
                    yield torch.zeros(1, 3, told[-1], told[-1])
                # What follows is the next epoch.
                told.append(next(sizes).width)

            seen = widths(resize.batches(sized()))
            assert ahead[:-1] == seen
            assert ahead[-1] == resize.size.width
        assert resize.mismatched == 0


class TestRunsOfSteps:
    """Where ``total_steps`` ends the run, each batch counts."""

    def test_shares_are_of_the_steps(self, said: list[str]) -> None:
        resize = ProgressiveResize(SHARES, total_steps=20, steps_per_epoch=5)
        seen = [widths(resize.batches(loader(n))) for n in (10, 3, 7)]
        assert list(chain(*seen)) == [16] * 10 + [24] * 5 + [32] * 5
        assert said == []

    def test_epochs_are_those_of_the_loop(self) -> None:
        resize = ProgressiveResize(EPOCHS, total_steps=40, steps_per_epoch=5)
        with pytest.warns(UserWarning, match="loader has 10 batches"):
            seen = [widths(resize.batches(loader(n))) for n in (10, 3, 7, 2)]
        assert seen == [[16] * 10, [16] * 3, [24] * 7, [32] * 2]


def test_by_hand_an_epoch_has_its_planned_batches() -> None:
    resize, seen = made(), []
    for _ in range(20):
        seen.append(resize(loader(1)[0]).shape[-1])
        resize.step()
    assert seen == [16] * 10 + [24] * 5 + [32] * 5


class TestBatches:
    def test_they_are_as_long_as_the_loader(self) -> None:
        resize = made()
        batches = resize.batches(loader(5))
        assert len(batches) == 5
        assert next(batches).shape[-1] == 16
        assert next(batches).shape[-1] == 16
        assert len(list(batches)) == 3
        assert resize.optimizer_steps == 5

    def test_or_as_unknown(self) -> None:
        batches = made().batches(iter(loader(5)))
        with pytest.raises(TypeError, match="a list_iterator has no length"):
            len(batches)
        assert batches
        assert len(list(batches)) == 5

    def test_each_loop_is_another_epoch(self) -> None:
        resize = made()
        batches = resize.batches(loader(5))
        assert [widths(batches)[0] for _ in range(4)] == [16, 16, 24, 32]
        assert resize.optimizer_steps == 20

    def test_a_bar_that_is_kept_does_not_keep_the_loop(self) -> None:
        from tqdm import tqdm

        resize = made()
        bar = tqdm(resize.batches(loader(5)))
        for _ in bar:
            break
        assert bar.total == 5
        assert resize.is_over
