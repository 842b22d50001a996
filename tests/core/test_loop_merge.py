"""Merged batches train the same weights in fewer passes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from tests.core.merging import (
    EPOCHS,
    Images,
    Training,
    listed,
    random_batches,
    rest_of,
)
from torch.utils.data import DataLoader, IterableDataset

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.run import BatchCounter
from upsize.schedule import Phases, Ramp

TINY = 1e-9
# Batches of 2 in an epoch of 11: windows of 4, 4 and 3.
SMALL = [(8, 8), (8, 8), (6, 8)]


def same(one: Training, other: Training) -> bool:
    assert one.resize.mismatched == other.resize.mismatched == 0
    assert one.resize.optimizer_steps == other.resize.optimizer_steps
    return one.difference(other) < TINY


@pytest.mark.parametrize("is_sized", [True, False])
class TestWeights:
    def test_they_are_those_of_the_unmerged_run(self, is_sized: bool) -> None:
        plain = Training(False, is_sized=is_sized).finish()
        merged = Training(True, is_sized=is_sized).finish()
        assert same(plain, merged)
        assert len(plain.passes) == 3 * 11
        assert merged.passes == SMALL + [(2, 12)] * 11 + [(2, 16)] * 11

    def test_a_short_last_batch(self, is_sized: bool) -> None:
        plain = Training(False, 21, is_sized=is_sized).finish()
        merged = Training(True, 21, is_sized=is_sized).finish()
        assert same(plain, merged)
        assert merged.passes[:4] == [(8, 8), (8, 8), (4, 8), (1, 8)]

    def test_batches_of_any_length(self, is_sized: bool) -> None:
        def training(merge: bool) -> Training:
            batches = listed([2, 2, 3, 3, 1, 2, 2, 2, 4])
            loader = DataLoader(Images(21), batch_sampler=batches)
            return Training(merge, loader=loader, is_sized=is_sized).finish()

        plain, merged = training(False), training(True)
        assert same(plain, merged)
        assert merged.passes[:5] == [(4, 8), (6, 8), (1, 8), (6, 8), (4, 8)]

    def test_a_limit(self, is_sized: bool) -> None:
        merged = Training(6, is_sized=is_sized).finish()
        assert merged.passes[:6] == [(4, 8)] * 4 + [(6, 8), (2, 12)]
        assert same(merged, Training(False, is_sized=is_sized).finish())

    def test_limits_for_each_size(self, is_sized: bool) -> None:
        limits = {8: 2, 12: 5, 16: 4}
        merged = Training(limits, is_sized=is_sized).finish()
        counts = [images for images, _ in merged.passes]
        assert counts == [2] * 11 + 2 * [4, 4, 4, 4, 4, 2]
        assert same(merged, Training(False, is_sized=is_sized).finish())

    @pytest.mark.parametrize("draws_all", [True, False])
    def test_a_resume_within_a_window(self, is_sized: bool, draws_all: bool) -> None:
        plain = Training(False, is_sized=is_sized, accumulate=8).finish()
        stopped = Training(True, is_sized=is_sized, accumulate=8)
        steps = stopped.train(stopped.loader)
        next(steps)
        state = stopped.state()
        done = state["resize"]["batch"]
        assert (done, state["resize"]["window"]) == (4, 4)
        resumed = Training(True, is_sized=is_sized, accumulate=8)
        resumed.load(state)
        if draws_all:
            rest: Any = rest_of(resumed.loader, done)
        else:
            # Draws from the generator as the first epoch has.
            order = DataLoader(
                range(22),
                2,
                shuffle=True,
                generator=resumed.loader.generator,  # type: ignore[arg-type]
            )
            left = [int(index) for batch in order for index in batch][2 * done :]
            rest = DataLoader(Images(22), 2, sampler=left)
            rest = sized(rest, resumed.resize) if is_sized else rest
        resumed.finish(rest)
        # The rest of the window of 8, and the window of 3.
        assert resumed.passes[:2] == [(8, 8), (6, 8)]
        assert same(plain, resumed)

    def test_a_state_of_an_unmerged_run(self, is_sized: bool) -> None:
        plain = Training(False, is_sized=is_sized).finish()
        stopped = Training(False, is_sized=is_sized)
        steps = islice(stopped.train(stopped.loader), 4, None)
        next(steps)
        state = stopped.state()
        resumed = Training(True, is_sized=is_sized)
        resumed.load(state)
        resumed.finish(rest_of(resumed.loader, state["resize"]["batch"]))
        assert resumed.passes[:2] == [(6, 8), (6, 8)]
        assert same(plain, resumed)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_merged_batch(workers: int) -> None:
    settings = {"num_workers": workers, "persistent_workers": workers == 2}
    merged = Training(True, 21, **settings).finish()
    assert merged.passes[:4] == [(8, 8), (8, 8), (4, 8), (1, 8)]
    assert same(merged, Training(False, 21, **settings).finish())


def test_four_workers() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create 4")
        settings = {"num_workers": 4, "persistent_workers": True}
        plain, merged = (Training(m, 43, **settings).finish() for m in (False, True))
    assert merged.passes[:7] == [(8, 8)] * 5 + [(2, 8), (1, 8)]
    assert same(plain, merged)


@pytest.mark.parametrize("looks", [1, 2, 4])
def test_a_loader_that_is_looked_at_within_an_epoch(looks: int) -> None:
    def training(merge: bool) -> Training:
        made = Training(merge, 30)
        for _ in range(EPOCHS):
            steps, generator = made.train(made.loader), made.loader.generator  # type: ignore[attr-defined]
            next(steps)
            before = generator.get_state()
            for _ in islice(made.loader, looks):
                pass
            generator.set_state(before)
            list(steps)
        return made

    plain, merged = training(False), training(True)
    assert merged.passes[:5] == [(8, 8), (8, 8), (8, 8), (6, 8), (2, 12)]
    assert same(plain, merged)


def test_a_plain_loader_after_a_look_at_a_sized_one() -> None:
    resize = ProgressiveResize(
        Ramp(final_size=16), epochs=2, steps_per_epoch=6, accumulate=4, merge=True
    )
    next(iter(sized(DataLoader(Images(12), 2, num_workers=1), resize)))
    seen = [
        (len(images), resize.loss_weight)
        for images, _ in resize.batches(DataLoader(Images(12), 2))
    ]
    assert seen == [(8, 1.0), (4, 0.5)]


def test_samples_that_collate_fn_leaves_out() -> None:
    def collate(samples: Any) -> Any:
        return torch.utils.data.default_collate([each for each in samples if each[1]])

    resize = ProgressiveResize(
        Ramp(final_size=16), epochs=2, steps_per_epoch=6, accumulate=4, merge=True
    )
    loader = sized(DataLoader(Images(12), 2, collate_fn=collate), resize)
    with pytest.warns(UserWarning, match="batch of 8 samples has 5 images: collate_fn"):
        images = [(len(each), resize.loss_weight) for each, _ in resize.batches(loader)]
    assert images == [(5, 1.0), (3, 0.5)]


def test_the_rest_of_an_epoch_that_was_left() -> None:
    """Without a load: the sized loader draws what the loop leaves out, too."""

    def training(merge: bool) -> Training:
        made = Training(merge)
        for passes in made.train(made.loader):
            if passes == (1 if merge else 4):
                break
        done = made.resize.state_dict()["batch"]
        assert done == 4
        order = made.loader.generator  # type: ignore[attr-defined]
        order.manual_seed(3)  # as the first pass has drawn
        return made.finish(rest_of(made.loader, done))

    plain, merged = training(False), training(True)
    assert merged.passes[:4] == [(8, 8), (8, 8), (6, 8), (2, 12)]
    assert same(plain, merged)
    assert same(Training(True).finish(), merged)


@pytest.mark.parametrize("is_sized", [True, False])
def test_a_limit_below_the_batch_at_a_later_size(is_sized: bool) -> None:
    merged = Training({8: 8, 12: 4, 16: 1}, is_sized=is_sized)
    with pytest.raises(ValueError, match="allows 1 images in a micro-batch of 16x16"):
        next(merged.train(merged.loader))


class Repeating:
    """A batch sampler without an end, as timm's MultiEpochsDataLoader has it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Any:
        while True:
            yield from self.inner


class CountingLoader(DataLoader[Any]):
    """Takes as many batches of one endless pass as an epoch has."""

    iterator: Any = None

    def __iter__(self) -> Any:
        if self.iterator is None:
            self.iterator = super().__iter__()
        for _ in range(len(self)):
            yield next(self.iterator)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_counts_its_batches(workers: int) -> None:
    def training(merge: bool) -> Training:
        batches: Any = Repeating(random_batches(21))
        loader = CountingLoader(Images(21), batch_sampler=batches, num_workers=workers)
        return Training(merge, loader=loader).finish()

    plain, merged = training(False), training(True)
    assert merged.passes[:4] == [(8, 8), (8, 8), (4, 8), (1, 8)]
    assert same(plain, merged)


class Stream(IterableDataset[Any]):
    def __init__(self) -> None:
        self.images = Images(24)

    def __iter__(self) -> Iterator[Any]:
        info = torch.utils.data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return (self.images[index] for index in range(first, 24, step))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream(workers: int) -> None:
    def training(merge: bool) -> Training:
        loader = DataLoader(Stream(), 2, num_workers=workers)
        made = Training(merge, 24, is_sized=False)
        made.loader = sized(loader, made.resize)
        return made.finish()

    plain, merged = training(False), training(True)
    assert merged.passes[:4] == [(8, 8), (8, 8), (8, 8), (2, 12)]
    assert same(plain, merged)


def test_a_pipeline_of_webdataset() -> None:
    webdataset = pytest.importorskip("webdataset")

    def training(merge: bool) -> Training:
        made = Training(merge, 24, is_sized=False)
        loader = webdataset.WebLoader(Stream(), batch_size=2)
        made.loader = sized(loader, made.resize)
        return made.finish()

    plain, merged = training(False), training(True)
    assert merged.passes[:4] == [(8, 8), (8, 8), (8, 8), (2, 12)]
    assert same(plain, merged)


def counter_states(resize: ProgressiveResize, loader: Any) -> list[tuple[int, int]]:
    states = []
    for _ in resize.batches(loader):
        state = resize.state_dict()
        states.append((state["batch"], state["step"]))
    return states


class TestLoop:
    def run(self, **settings: Any) -> ProgressiveResize:
        settings = {"epochs": EPOCHS, "steps_per_epoch": 6} | settings
        resize = ProgressiveResize(
            settings.pop("schedule", Phases(phases=((0, 8), (2, 16)))),
            accumulate=4, merge=True, **settings,
        )  # fmt: skip
        assert resize.loss_weight == 0.25
        return resize

    def batches(self, n: int = 6) -> list[torch.Tensor]:
        return [torch.rand(2, 3, 16, 16) for _ in range(n)]

    def test_states_count_plain_batches(self) -> None:
        resize = self.run()
        assert counter_states(resize, self.batches()) == [(4, 1), (0, 2)]

    def test_weights_and_ends(self) -> None:
        resize = self.run()
        seen = [
            (resize.loss_weight, resize.ends_window)
            for _ in range(3)
            for _ in resize.batches(self.batches())
        ]
        assert seen == 2 * [(1.0, True), (0.5, True)] + [
            (0.25, False), (0.25, False), (0.25, False), (0.25, True), (0.25, False),
            (0.25, True),
        ]  # fmt: skip

    def test_an_interrupted_batch_does_not_count(self) -> None:
        resize = self.run()
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)

        def train() -> None:
            for number, _ in enumerate(resize.batches(self.batches())):
                if number:
                    raise RuntimeError
                optimizer.step()

        with pytest.raises(RuntimeError):
            train()
        state = resize.state_dict()
        assert (state["batch"], state["step"]) == (4, 1)

    def test_a_longer_and_a_shorter_epoch(self) -> None:
        resize = self.run()
        with pytest.warns(UserWarning, match="further batches train at the size"):
            images = [len(each) for each in resize.batches(self.batches(13))]
        # Beyond the epoch, windows begin anew.
        assert images == [8, 4, 8, 6]
        assert resize.optimizer_steps == 2
        assert [len(each) for each in resize.batches(self.batches(3))] == [6]
        assert resize.optimizer_steps == 4

    def test_a_loader_without_a_length(self) -> None:
        schedule = Phases(phases=((0, 8), ("4st", 16)))
        resize = self.run(
            schedule=schedule, epochs=None, total_steps=6, steps_per_epoch=None
        )
        seen = [
            (len(each), resize.ends_window)
            for each in resize.batches(iter(self.batches(7)))
        ]
        assert seen == [(8, True), (6, False)]
        assert not resize.ends_window  # a step is left to make
        assert resize.optimizer_steps == 2

    def test_by_hand_nothing_is_merged(self) -> None:
        resize = self.run()
        with pytest.raises(
            ValueError, match=r"take them from resize.batches\(loader\)"
        ):
            resize(self.batches()[0])

    def test_without_accumulation_there_is_nothing_to_merge(self) -> None:
        with pytest.raises(
            ValueError, match=r"merge=True merges the batches of an acc"
        ):
            ProgressiveResize(Ramp(final_size=16), total_steps=4, merge=True)

    def test_a_limit_below_the_batch(self) -> None:
        resize = ProgressiveResize(
            Ramp(final_size=16), total_steps=4, accumulate=2, merge=1
        )
        with pytest.raises(
            ValueError, match=r"merge= allows 1 images .* has 2: give at"
        ):
            next(resize.batches(self.batches()))

    def test_a_pass_that_was_left(self) -> None:
        resize = self.run()
        loader = DataLoader(
            torch.rand(12, 3, 16, 16),
            2,
            num_workers=1,
            prefetch_factor=2,  # type: ignore[arg-type]
        )
        for _ in resize.batches(sized(loader, resize, set_size=lambda *_: None)):
            break
        # What the workers had drawn is of no matter for another loader.
        seen = [len(each) for each in resize.batches(self.batches(2))]
        assert seen == [4]

    def test_an_iterator_that_was_left_has_its_rest(self) -> None:
        resize = self.run()
        loader = DataLoader(torch.rand(12, 3, 16, 16), 2)
        small = iter(sized(loader, resize, set_size=lambda *_: None))
        batches = iter(resize.batches(small))
        assert len(next(batches)) == 8
        batches.close()
        assert len(next(small)) == 4

    def test_losses_that_are_not_weighed(self) -> None:
        resize = ProgressiveResize(
            Ramp(final_size=16), total_steps=99, accumulate=4, merge=True
        )
        with pytest.warns(UserWarning, match="did not read loss_weight"):
            for _ in resize.batches(self.batches()):
                pass
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in resize.batches(self.batches()):
                pass

    def test_optimizers_that_step_elsewhere(self) -> None:
        resize = self.run(epochs=6)
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)

        def train() -> None:
            number = 0
            for _ in range(6):
                for _ in resize.batches(self.batches()):
                    number += 1
                    if number % 4 == 0:
                        optimizer.step()

        with pytest.warns(UserWarning, match="step the optimizer where resize.ends_w"):
            train()


def test_ends_of_windows_without_merging() -> None:
    resize = ProgressiveResize(
        Ramp(final_size=16), epochs=2, steps_per_epoch=5, accumulate=2
    )
    loader = [torch.rand(2, 3, 16, 16)] * 5
    assert resize.loss_weight == 0.5
    ends = [resize.ends_window for _ in resize.batches(loader)]
    assert ends == [False, True, False, True, True]
    ends = []
    for batch in loader:
        resize(batch)
        ends.append(resize.ends_window)
        resize.step()
    assert ends == [False, True, False, True, True]


def test_windows_ahead_of_a_resumed_epoch() -> None:
    counter = BatchCounter(9, 3, 5, by_epochs=True)
    for _ in range(4):
        counter.count()
    resumed = BatchCounter(9, 3, 5, by_epochs=True)
    resumed.load(counter.position)
    ahead = [tuple(each) for each in islice(resumed.windows_ahead(5), 11)]
    assert ahead == [(1, 0)] * 4 + [
        (1, 1),
        (2, 3),
        (2, 2),
        (2, 1),
        (3, 2),
        (3, 1),
        (4, 3),
    ]
    # A pass of eight batches: three more than the epoch.
    ahead = [tuple(each) for each in islice(BatchCounter(9, 3, 5, by_epochs=True)
             .windows_ahead(8), 9)]  # fmt: skip
    assert ahead == [
        (0, 3),
        (0, 2),
        (0, 1),
        (1, 2),
        (1, 1),
        (1, 3),
        (1, 2),
        (1, 1),
        (2, 3),
    ]
