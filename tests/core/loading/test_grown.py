"""Loaders whose batches grow: every sample once, at the batches and sizes of the plan."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
)
from torch.utils.data.distributed import DistributedSampler

from upsize.loading import size_stage, sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Grow, Phases, Plan, Ramp

PHASES = Phases(phases=((0, 8), (0.4, 12), (0.7, 16)))
EPOCHS = 3


class Numbers(Dataset[Any]):
    """Images of the size that is asked for, and their numbers."""

    def __init__(self, count: int) -> None:
        self.count, self.side = count, 16

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(3, self.side, self.side), index


class Stream(IterableDataset[Any]):
    def __init__(self, count: int) -> None:
        self.count, self.side = count, 16

    def __iter__(self) -> Iterator[Any]:
        for index in range(self.count):
            yield torch.zeros(3, self.side, self.side), index


class Sized(Stream):
    def __len__(self) -> int:
        return self.count


def set_size(dataset: Any, size: Any) -> None:
    dataset.side = size.width


def make_run(samples: int, grow: Grow | int, **more: Any) -> ProgressiveResize:
    schedule = more.pop("schedule", PHASES)
    return ProgressiveResize(
        schedule, epochs=EPOCHS, samples_per_epoch=samples, batch_size=grow, **more
    )


def sized_loader(resize: ProgressiveResize, loader: Any) -> Any:
    return sized(loader, resize, set_size=set_size)


def epoch(resize: ProgressiveResize, loader: Any) -> list[tuple[int, list[int]]]:
    return [
        (images.shape[-1], numbers.tolist())
        for images, numbers in resize.batches(loader)
    ]


def check(plan: Plan, epochs: list[list[tuple[int, list[int]]]]) -> None:
    """Check sizes and lengths of the batches of a whole run."""
    batches = list(chain.from_iterable(epochs))
    assert len(batches) == plan.total_steps
    for step, (side, numbers) in enumerate(batches):
        assert side == plan.size_at(step).width
        assert len(numbers) == plan.batch_at(step)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(3, 60), st.integers(1, 8), st.integers(1, 5), st.booleans(),
    st.integers(1, 2), st.data(),
)  # fmt: skip
def test_every_sample_once(
    count: int, batch: int, times: int, drop_last: bool, ranks: int, data: Any
) -> None:
    shares = data.draw(st.lists(st.floats(0.01, 0.55), max_size=3, unique=True))
    phases = ((0, 8), *((share, 9 + n) for n, share in enumerate(sorted(shares))))
    schedule = Phases(phases=(*phases, (0.6, 16)))
    lengths = []
    for rank in range(ranks):
        sampler = DistributedSampler(Numbers(count), ranks, rank, drop_last=False)
        samples = len(sampler)
        samples -= samples % batch * drop_last
        if not samples:
            return
        loader = DataLoader(Numbers(count), batch, sampler=sampler, drop_last=drop_last)
        resize = make_run(samples, Grow(batch * times, batch=batch), schedule=schedule)
        loader = sized_loader(resize, loader)
        epochs = []
        for number in range(EPOCHS):
            sampler.set_epoch(number)
            expected = list(sampler)[:samples]
            planned = resize.plan.epoch_start(number + 1) - resize.plan.epoch_start(
                number
            )
            if resize.size_source.grown_plan is not None:
                assert len(loader) == planned
            epochs.append(epoch(resize, loader))
            drawn = list(chain.from_iterable(each for _, each in epochs[-1]))
            assert drawn == expected
        check(resize.plan, epochs)
        lengths.append([len(each) for _, each in chain.from_iterable(epochs)])
    assert all(each == lengths[0] for each in lengths)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("draws_all", [True, False])
def test_a_resume_within_an_epoch(workers: int, draws_all: bool) -> None:
    def start() -> ProgressiveResize:
        return make_run(37, Grow(12, batch=4))

    def plain(first: int = 0) -> DataLoader[Any]:
        return DataLoader(Numbers(37), 4, sampler=range(first, 37), num_workers=workers)

    resize = start()
    loader = sized_loader(resize, plain())
    whole = [epoch(resize, loader) for _ in range(EPOCHS)]
    check(resize.plan, whole)
    for stop in (2, len(whole[0]) + 3):
        stopped = start()
        loader = sized_loader(stopped, plain())
        done = 0
        while done < stop:
            for _ in stopped.batches(loader):
                done += 1
                if done == stop:
                    state = stopped.state_dict()
                    break
        resumed = start()
        resumed.load_state_dict(state)
        loader = sized_loader(resumed, plain())
        if draws_all:
            rest = epoch(resumed, islice(loader, state["batch"], None))
        else:
            step = state["step"]
            samples = resume_at = resumed.plan.samples_at(step) % 37
            assert samples
            rest = epoch(resumed, sized_loader(resumed, plain(resume_at)))
        number = int(resumed.plan.epoch_at(state["step"]) or 0)
        more = [epoch(resumed, loader) for _ in range(number + 1, EPOCHS)]
        seen = rest + list(chain.from_iterable(more))
        assert seen == list(chain.from_iterable(whole))[stop:]


@pytest.mark.parametrize("done", [1, 3, 5])
def test_a_resume_with_another_batch(done: int) -> None:
    stopped = make_run(40, Grow(16, batch=4))
    for _ in range(done):
        stopped.step()
    resumed = make_run(20, Grow(10, batch=5))  # half of the samples: two processes
    with pytest.warns(UserWarning, match="the larger of both plans' sizes"):
        resumed.load_state_dict(stopped.state_dict())
    state, plan = resumed.state_dict(), resumed.plan
    # The first batch that is not before the share of the epoch that was trained.
    samples = 2 * plan.samples_at(state["step"])
    assert samples >= stopped.plan.samples_at(done)
    assert samples - 2 * plan.batch_at(state["step"]) < stopped.plan.samples_at(done)
    assert resumed.size >= stopped.size
    loader = sized_loader(resumed, DataLoader(Numbers(20), 5))
    batches = epoch(resumed, islice(loader, state["batch"], None))
    while resumed.optimizer_steps < plan.total_steps:
        last = epoch(resumed, loader)
        assert [n for _, numbers in last for n in numbers] == list(range(20))
        batches += last
    assert len(batches) == plan.total_steps - state["step"]
    assert batches[-1][0] == 16


@pytest.mark.parametrize("epochs_done", [0, 1])
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.filterwarnings("ignore")  # torchdata calls what torch deprecates
def test_a_resume_of_torchdata(workers: int, epochs_done: int) -> None:
    torchdata = pytest.importorskip("torchdata.stateful_dataloader")

    def start() -> tuple[ProgressiveResize, Any]:
        torch.manual_seed(3)
        resize = make_run(37, Grow(12, batch=4))
        plain = torchdata.StatefulDataLoader(
            Numbers(37), 4, shuffle=True, num_workers=workers,
            snapshot_every_n_steps=2,
        )  # fmt: skip
        return resize, sized_loader(resize, plain)

    resize, loader = start()
    for _ in range(epochs_done):
        epoch(resize, loader)
    whole, states = [], []
    for _, numbers in resize.batches(loader):
        whole.append(numbers.tolist())
        states.append((resize.state_dict(), loader.state_dict()))
    for stop in (1, 2, 3):
        resize, loader = start()
        resize.load_state_dict(states[stop - 1][0])
        torch.manual_seed(99)
        loader.load_state_dict(states[stop - 1][1])
        assert [numbers for _, numbers in epoch(resize, loader)] == whole[stop:]


class TestStates:
    def draws(self) -> Any:
        resize = make_run(37, Grow(12, batch=4))
        return iter(sized_loader(resize, DataLoader(Numbers(37), 4)).batch_sampler)

    def test_an_iterator_without_a_state_is_drawn_again(self) -> None:
        draws = self.draws()
        next(draws)
        next(draws)
        again = self.draws()
        again.load_state_dict(draws.state_dict())
        assert list(again) == list(draws)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", [Stream, Sized])
def test_a_stream(kind: Any, workers: int) -> None:
    resize = make_run(37, Grow(12, batch=4))
    loader = sized_loader(resize, DataLoader(kind(37), 4, num_workers=workers))
    epochs = [epoch(resize, loader) for _ in range(EPOCHS)]
    for batches in epochs:
        assert [n for _, numbers in batches for n in numbers] == list(range(37))
    check(resize.plan, epochs)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (20, "batches, but samples_per_epoch leaves"),
        (41, "give the samples of an epoch as samples_per_epoch"),
    ],
)
def test_a_stream_of_another_length(count: int, words: str) -> None:
    resize = make_run(37, Grow(12, batch=4))
    loader = sized_loader(resize, DataLoader(Stream(count), 4))
    with pytest.warns(UserWarning, match=words):
        epoch(resize, loader)


def test_steps_of_several_batches() -> None:
    resize = make_run(37, Grow(12, batch=4))
    loader = sized_loader(resize, DataLoader(Numbers(37), 4))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    words = r"leave out batch_size=Grow\(...\), and give accumulate=2 and merge=True"

    def train() -> None:
        for number, _ in enumerate(resize.batches(loader)):
            if number % 2:
                optimizer.step()

    train()
    with pytest.warns(UserWarning, match=words):
        train()


def test_an_epoch_that_is_left() -> None:
    resize = make_run(37, Grow(12, batch=4))
    loader = sized_loader(resize, DataLoader(Numbers(37), 4))
    planned = len(loader)
    next(iter(resize.batches(loader)))
    words = f"left after 1 of {planned} batches, and this one is not the rest"
    with pytest.warns(UserWarning, match=words):
        second = epoch(resize, loader)
    plan, first = resize.plan, resize.plan.epoch_start(1)
    assert [len(numbers) for _, numbers in second] == [
        plan.batch_at(step) for step in range(first, plan.epoch_start(2))
    ]


def test_a_plan_that_does_not_grow() -> None:
    resize = make_run(20, Grow(4, batch=4))
    assert resize.size_source.grown_plan is None
    loader = sized_loader(resize, DataLoader(Numbers(20), 4))
    assert [len(numbers) for _, numbers in epoch(resize, loader)] == [4] * 5


def test_constant_batches_that_are_counted_in_samples() -> None:
    resize = make_run(20, 4, accumulate=2)
    assert resize.plan.samples_per_epoch == 20
    assert resize.plan.batch_size == 8
    assert resize.plan.steps_per_epoch == 3
    loader = DataLoader(Numbers(20), 4)
    assert [len(numbers) for _, numbers in epoch(resize, loader)] == [4] * 5
    assert resize.optimizer_steps == 3


class Custom(BatchSampler):
    def __iter__(self) -> Iterator[list[int]]:
        return iter([[0, 1], [2, 3]])


class Unknown(SequentialSampler):
    __len__ = None  # type: ignore[assignment]


class Endless:
    def __iter__(self) -> Iterator[int]:
        return iter(range(20))


class TestRefused:
    def resize(self) -> ProgressiveResize:
        return make_run(20, Grow(16, batch=4))

    @pytest.mark.parametrize(
        ("loader", "text"),
        [
            (
                DataLoader(Numbers(20), batch_sampler=[[0, 1], [2, 3]]),  # type: ignore[arg-type]
                r"those of a list may belong together",
            ),
            (
                DataLoader(
                    Numbers(20), batch_sampler=Custom(range(20), 4, False)
                ),
                r"those of a Custom may .* give the DataLoader batch_size= and a sampler=",
            ),
            (
                DataLoader(Numbers(20), 8),
                r"4 in Grow\(..., batch=4\), and batch_size=8 of the loader: make them eq",
            ),
            (
                DataLoader(Numbers(24), 4),
                r"give samples_per_ep",
            ),
            (
                DataLoader(Numbers(20), 4, sampler=Endless()),
                r"the Endless of the loader has no length",
            ),
            (
                DataLoader(Stream(20), 4, num_workers=2),
                r"each of 2 workers ends with a short one: use num_workers=1",
            ),
            (DataLoader(Stream(20), None), r"the stream makes its batches by itself"),
            (DataLoader(Sized(23), 4), r"draws 23 samples in an epoch"),
            (DataLoader(Stream(20), 8), r"batch_size=8 of the loader"),
        ],
    )  # fmt: skip
    def test_loaders(self, loader: Any, text: str) -> None:
        with pytest.raises(ValueError, match=text):
            sized_loader(self.resize(), loader)

    def test_fewer_samples_that_are_not_the_rest_of_an_epoch(self) -> None:
        resize = self.resize()
        loader = sized_loader(resize, DataLoader(Numbers(18), 4))
        with pytest.raises(
            ValueError, match=r"draws 18 samples in an epoch, .* has 20"
        ):
            epoch(resize, loader)

    def test_a_loader_with_drop_last(self) -> None:
        for loader in (
            DataLoader(Numbers(23), 4, drop_last=True),
            DataLoader(Sized(23), 4, drop_last=True),
        ):
            resize = self.resize()
            assert len(epoch(resize, sized_loader(resize, loader))) == 2

    def test_a_loader_that_is_not_sized(self) -> None:
        resize = self.resize()
        loader = DataLoader(Numbers(20), 4)
        with pytest.raises(ValueError, match=r"write loader = sized\(loader, resize\)"):
            next(resize.batches(loader))
        with pytest.raises(
            ValueError, match=r"only the batch sampler of a sized loader"
        ):
            resize(next(iter(loader)))

    def test_a_plan_alone(self) -> None:
        plan = PHASES.plan(epochs=3, samples_per_epoch=20, batch_size=Grow(16, batch=4))
        with pytest.raises(ValueError, match=r"give sized\(\) the ProgressiveResize"):
            sized(DataLoader(Numbers(20), 4), plan, set_size=set_size)

    def test_a_pipeline_that_numbers_its_batches(self) -> None:
        with pytest.raises(ValueError, match=r"numbers batches of one length"):
            size_stage(self.resize())

    @pytest.mark.parametrize(
        ("settings", "text"),
        [
            ({"accumulate": 2}, r"give merge=True beside accumulate"),
            (
                {"epochs": None, "total_steps": 10},
                r"give epochs= beside batch_size=Grow",
            ),
            ({"batch_size": Grow(16)}, r"does not say the batch at full size"),
            (
                {"samples_per_epoch": None},
                r"samples_per_epoch and batch_size belong tog",
            ),
            (
                {"steps_per_epoch": 9},
                r"samples_per_epoch=20 in batches of 4 are 5 steps",
            ),
            (
                {"merge": True},
                r"leave out merge=, or accumulate gradients",
            ),
        ],
    )
    def test_settings(self, settings: dict[str, Any], text: str) -> None:
        given = {"epochs": 3, "samples_per_epoch": 20, "batch_size": Grow(16, batch=4)}
        with pytest.raises(ValueError, match=text):
            ProgressiveResize(Ramp(final_size=16), **given | settings)
