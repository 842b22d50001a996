"""torchdata's loader resumes within an epoch with the samples and sizes of the rest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.core.loading.images import RAMP, Images

from upsize.loading import sized
from upsize.loading._proxy import inner_of
from upsize.loop import ProgressiveResize

pytest.importorskip("torchdata.stateful_dataloader")
# torchdata calls what torch 2.14 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore")

LENGTH = 13  # batches of 26 images


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


class Plain:
    """A batch sampler without a state: what is done is drawn again and dropped."""

    def __len__(self) -> int:
        return LENGTH

    def __iter__(self) -> Any:
        return ([2 * number, 2 * number + 1] for number in range(LENGTH))


def make(how: Any, workers: int, **settings: Any) -> Any:
    from torchdata.stateful_dataloader import StatefulDataLoader

    torch.manual_seed(3)
    batches = {"batch_size": 2, "shuffle": True} if how is None else {
        "batch_sampler": how()
    }  # fmt: skip
    return StatefulDataLoader(Images(), num_workers=workers, **batches, **settings)


def epoch(resize: ProgressiveResize, loader: Any, came: list[Any]) -> Any:
    def given() -> Any:
        for images, labels in loader:
            came.append((images.shape[-1], labels.tolist()))
            yield images, labels

    for _ in resize.batches(given()):
        yield


@pytest.mark.parametrize(
    ("how", "workers", "settings"),
    [
        (None, 0, {}),
        (None, 1, {}),
        (None, 1, {"snapshot_every_n_steps": 3}),
        (Counted, 0, {}),
        (Plain, 0, {}),
    ],
)
def test_a_resume_within_an_epoch(
    how: Any, workers: int, settings: dict[str, Any]
) -> None:
    def start() -> tuple[ProgressiveResize, Any]:
        resize = ProgressiveResize(RAMP, epochs=1, steps_per_epoch=LENGTH)
        return resize, sized(make(how, workers, **settings), resize)

    plain = [labels.tolist() for _, labels in make(how, workers)]
    resize, loader = start()
    whole: list[Any] = []
    steps = epoch(resize, loader, whole)
    for _ in range(5):
        next(steps)
    state = resize.state_dict(), loader.state_dict()
    for _ in steps:
        pass
    resize, loader = start()
    resize.load_state_dict(state[0])
    torch.manual_seed(99)
    loader.load_state_dict(state[1])
    rest: list[Any] = []
    for _ in epoch(resize, loader, rest):
        pass
    assert rest == whole[5:]
    assert [size for size, _ in whole] == [
        resize.plan.size_at(step).width for step in range(LENGTH)
    ]
    assert [labels for _, labels in whole] == plain
    assert resize.mismatched == 0


def test_the_state_of_a_loader_that_was_not_sized() -> None:
    plain = make(None, 0)
    batches = iter(plain)
    done = [next(batches)[1].tolist() for _ in range(5)]
    plan = RAMP.plan(total_steps=LENGTH)
    loader = sized(make(None, 0), plan)
    loader.load_state_dict(plain.state_dict())
    rest = [(images.shape[-1], labels.tolist()) for images, labels in loader]
    assert done + [labels for _, labels in rest] == [
        labels.tolist() for _, labels in make(None, 0)
    ]
    assert [size for size, _ in rest] == [
        plan.size_at(step).width for step in range(5, LENGTH)
    ]


def test_a_state_that_does_not_tell_the_batches() -> None:
    class Iterator(Counted):
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> list[int]:
            return [0]

    loader = sized(make(Iterator, 0), RAMP.plan(total_steps=99))
    with pytest.raises(ValueError, match=r"saved before the loader was sized"):
        iter(loader.batch_sampler).load_state_dict({"first": 3})


def test_a_loader_whose_state_was_asked_for() -> None:
    plain = make(None, 0)
    state = plain.state_dict()  # makes an iterator, which is used next
    loader = sized(plain, RAMP.plan(total_steps=99))
    assert next(iter(loader))[0].shape[-1] == 16
    assert loader.state_dict()["_num_yielded"] == state["_num_yielded"] + 1
    assert inner_of(loader.dataset) is plain.dataset
