"""Batch samplers that merge what they draw: states, lengths and what is drawn in vain."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

import pytest
import torch
from tests.core.merging import Images, listed
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loading._batches import SizedBatchSampler
from upsize.loading._merged import MergedBatchSampler
from upsize.loop import ProgressiveResize
from upsize.schedule import Phases

LENGTH, IMAGES = 11, 22


class Numbered(Images):
    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return super().__getitem__(index)[0], index


class Counted:
    """A batch sampler that has a state itself, and no iterator with one."""

    def __init__(self) -> None:
        self.first = 0

    def __len__(self) -> int:
        return LENGTH

    def __iter__(self) -> Any:
        for number in range(self.first, LENGTH):
            self.first = number + 1
            yield [2 * number, 2 * number + 1]
        self.first = 0

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first = state["first"]


class Lengths:
    """Batches of several lengths, and an iterator with a state."""

    def __len__(self) -> int:
        return LENGTH

    def __iter__(self) -> Any:
        return LengthsIterator()


class LengthsIterator:
    def __init__(self) -> None:
        self.done = 0

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> list[int]:
        batches: Any = listed([2, 2, 3, 2, 2, 2, 1, 2, 2, 2, 2])
        if self.done == LENGTH:
            raise StopIteration
        self.done += 1
        return batches[self.done - 1]  # type: ignore[no-any-return]

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done = state["done"]


def make_run() -> ProgressiveResize:
    resize = ProgressiveResize(
        Phases(phases=((0, 8), (2, 16))), epochs=3, steps_per_epoch=LENGTH,
        accumulate=4, merge=True,
    )  # fmt: skip
    assert resize.loss_weight == 0.25
    return resize


def indices(loader: Any, resize: ProgressiveResize, stop: int | None = None) -> Any:
    return [labels.tolist() for _, labels in islice(resize.batches(loader), stop)]


@pytest.mark.filterwarnings("ignore")  # torchdata calls what torch deprecates
@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize(
    ("how", "settings"),
    [
        (None, {}),
        (None, {"num_workers": 1}),
        (None, {"num_workers": 1, "snapshot_every_n_steps": 2}),
        (Counted, {}),
        (Lengths, {}),
        (lambda: listed([2] * LENGTH), {}),
    ],
)
def test_a_resume_of_torchdata(how: Any, settings: dict[str, Any], stop: int) -> None:
    torchdata = pytest.importorskip("torchdata.stateful_dataloader")

    def start() -> tuple[ProgressiveResize, Any]:
        torch.manual_seed(3)
        batches = {"batch_size": 2, "shuffle": True} if how is None else {
            "batch_sampler": how()
        }  # fmt: skip
        loader = torchdata.StatefulDataLoader(Numbered(IMAGES), **batches, **settings)
        resize = make_run()
        return resize, sized(loader, resize)

    resize, loader = start()
    whole, states = [], []
    for _ in range(2):
        for _, labels in resize.batches(loader):
            whole.append(labels.tolist())
            states.append((resize.state_dict(), loader.state_dict()))
    assert sorted(chain.from_iterable(whole)) == sorted(2 * list(range(IMAGES)))
    assert max(map(len, whole)) >= 6
    resize, loader = start()
    resize.load_state_dict(states[stop - 1][0])
    torch.manual_seed(99)
    loader.load_state_dict(states[stop - 1][1])
    rest = indices(loader, resize) + indices(loader, resize)
    whole_rest = [labels for batch in whole[stop:] for labels in batch]
    ends = len(whole_rest) - IMAGES  # another order of the next epoch
    assert [each for batch in rest for each in batch][:ends] == whole_rest[:ends]
    assert len(list(chain.from_iterable(rest))) == len(whole_rest)
    assert resize.mismatched == 0


class TestSampler:
    def test_the_length_is_that_of_the_plain_batches(self) -> None:
        loader = sized(DataLoader(Images(IMAGES), 2), make_run())
        assert type(loader.batch_sampler) is MergedBatchSampler
        assert len(loader) == len(loader.batch_sampler) == LENGTH
        drawn = list(loader.batch_sampler)
        assert [len(batch) for batch in drawn] == [8, 8, 6]
        assert {batch.size for batch in drawn} == {(8, 8)}

    def test_without_merging_nothing_changes(self) -> None:
        plan = Phases(phases=((0, 8), (2, 16))).plan(epochs=3, steps_per_epoch=LENGTH)
        loader = sized(DataLoader(Images(IMAGES), 2), plan)
        assert type(loader.batch_sampler) is SizedBatchSampler

    def test_a_limit_below_the_batch(self) -> None:
        resize = ProgressiveResize(
            Phases(phases=((0, 8), (2, 16))), epochs=3, steps_per_epoch=LENGTH,
            accumulate=4, merge=3,
        )  # fmt: skip
        loader = sized(DataLoader(Images(IMAGES), 4), resize)
        with pytest.raises(ValueError, match=r"merge= allows 3 images .* has 4"):
            next(iter(loader))

    def test_a_resumed_epoch_is_drawn_plain_up_to_where_it_resumes(self) -> None:
        resize = make_run()
        for _ in range(4):
            resize.step()
        resumed = make_run()
        resumed.load_state_dict(resize.state_dict())
        loader = sized(DataLoader(Images(IMAGES), 2), resumed)
        drawn = list(loader.batch_sampler)
        assert [len(batch) for batch in drawn] == [2, 2, 2, 2, 8, 6]

    def test_a_batch_sampler_without_a_length(self) -> None:
        class Unknown:
            def __iter__(self) -> Any:
                return iter(listed([2] * 6))

        resize = ProgressiveResize(
            Phases(phases=((0, 8), ("4st", 16))),
            total_steps=6,
            accumulate=4,
            merge=True,
        )
        plain: Any = DataLoader(Images(IMAGES), batch_sampler=Unknown())
        drawn = list(sized(plain, resize).batch_sampler)
        assert [len(batch) for batch in drawn] == [8, 4]
