"""Prepared loaders are sized, in Ray's local mode: no workers, this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("ray.train", reason="Ray is not installed: nox -s streams")

from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer, prepare_data_loader
from tests.core.loading.images import FULL, RAMP, Images, augmented
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset
from torchdata.stateful_dataloader import StatefulDataLoader

from upsize import loading
from upsize.loop import ProgressiveResize
from upsize.ray import sized

# What torchdata says of its own call.
pytestmark = pytest.mark.filterwarnings("ignore:.set_vital. is deprecated")

COUNT, BATCHES, EPOCHS = 12, 3, 4
PLAN = RAMP.plan(epochs=EPOCHS, steps_per_epoch=BATCHES)
SIZES = [
    [PLAN.size_at(epoch * BATCHES + step).width for step in range(BATCHES)]
    for epoch in range(EPOCHS)
]


def in_ray(function: Callable[[], Any]) -> Any:
    """Run a training function, and return what it returns."""
    scaling = ScalingConfig(num_workers=0)
    return TorchTrainer(function, scaling_config=scaling).fit().return_value


def plain(kind: Any = DataLoader, **settings: Any) -> Any:
    return kind(Images(count=COUNT), 4, **settings)


def progressive() -> ProgressiveResize:
    return ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=BATCHES)


def seen_in(resize: ProgressiveResize, loader: Any) -> list[int]:
    """Return the sizes of a pass, which the loader has made."""
    came: list[int] = []

    def watched() -> Any:
        for batch in loader:
            came.append(batch[0].shape[-1])
            yield batch

    seen = [images.shape[-1] for images, _ in resize.batches(watched())]
    assert came == seen
    assert resize.mismatched == 0
    return seen


class Stream(IterableDataset[Any]):
    """The same images, without being asked for one."""

    def __init__(self) -> None:
        self.transform = augmented()

    def __iter__(self) -> Any:
        yield from map(Images(self.transform).__getitem__, range(COUNT))


PREPARED: dict[str, Callable[[], Any]] = {
    "moved to the device": lambda: prepare_data_loader(plain()),
    "workers": lambda: prepare_data_loader(plain(num_workers=1, prefetch_factor=3)),
    "workers that stay": lambda: prepare_data_loader(
        plain(num_workers=1, persistent_workers=True)
    ),
    "not moved": lambda: prepare_data_loader(plain(), move_to_device=False),
    "prepared twice": lambda: prepare_data_loader(prepare_data_loader(plain())),
    "a stream": lambda: prepare_data_loader(DataLoader(Stream(), 4)),
    "a stream of workers": lambda: prepare_data_loader(
        DataLoader(Stream(), 4, num_workers=1)
    ),
    "with a state": lambda: prepare_data_loader(plain(StatefulDataLoader)),
}


@pytest.mark.parametrize("prepared", PREPARED.values(), ids=PREPARED)
def test_sizes(prepared: Callable[[], Any]) -> None:
    def train() -> Any:
        resize, loader = progressive(), prepared()
        new = sized(loader, resize)
        seen = [seen_in(resize, new) for _ in range(EPOCHS)]
        assert type(new) is type(loader)
        if not isinstance(loader.dataset, Stream):
            assert len(new) == len(loader)
            assert new.sampler is loader.sampler
        # The one that was given makes full-size images still.
        assert {images.shape[-1] for images, _ in loader} == {FULL}
        return seen

    assert in_ray(train) == SIZES


def test_after_a_pass_and_after_break() -> None:
    def train() -> Any:
        resize, loader = progressive(), prepare_data_loader(plain())
        for _ in loader:  # Ray keeps its iterator
            break
        loader = sized(loader, resize)
        seen = seen_in(resize, loader)
        for images, _ in resize.batches(loader):
            seen.append(images.shape[-1])
            break
        return seen

    assert in_ray(train) == [*SIZES[0], SIZES[1][0]]


@pytest.mark.parametrize("stop", [4, 7, 11])
def test_a_run_is_resumed_within_an_epoch(stop: int) -> None:
    def train() -> Any:
        resize, seen, state = progressive(), [], None
        loader = sized(prepare_data_loader(plain()), resize)
        while state is None:
            for images, _ in resize.batches(loader):
                seen.append(images.shape[-1])
                if len(seen) == stop:
                    state = resize.state_dict()
                    break
        resize = progressive()
        resize.load_state_dict(state)
        loader = sized(prepare_data_loader(plain()), resize)
        skip = stop % BATCHES

        def rest() -> Any:
            for number, batch in enumerate(loader):
                if number >= skip:
                    yield batch

        for epoch in range(stop // BATCHES, EPOCHS):
            batches = rest() if epoch == stop // BATCHES else loader
            seen += [images.shape[-1] for images, _ in resize.batches(batches)]
        assert resize.mismatched == 0
        return seen

    assert in_ray(train) == [size for epoch in SIZES for size in epoch]


class TestRefusals:
    def test_a_plan_alone(self) -> None:
        def train() -> None:
            sized(prepare_data_loader(plain()), PLAN)  # type: ignore[arg-type]

        with pytest.raises(TypeError, match=r"is a plan.*ProgressiveResize of the run"):
            in_ray(train)

    def test_one_that_is_sized_already(self) -> None:
        def train() -> None:
            resize = progressive()
            sized(sized(prepare_data_loader(plain()), resize), resize)

        with pytest.raises(ValueError, match="sized already"):
            in_ray(train)

    def test_one_that_was_sized_before(self) -> None:
        def train() -> None:
            resize = progressive()
            sized(prepare_data_loader(loading.sized(plain(), resize)), resize)

        with pytest.raises(ValueError, match="sized already"):
            in_ray(train)

    def test_what_is_no_loader(self) -> None:
        with pytest.raises(
            TypeError, match=r"must be a torch\.utils\.data\.DataLoader"
        ):
            sized([1], progressive())  # type: ignore[type-var]

    def test_the_function_for_other_loaders(self) -> None:
        def train() -> None:
            loading.sized(prepare_data_loader(plain()), progressive())

        with pytest.raises(ValueError, match=r"another DataLoader: use upsize\.ray\."):
            in_ray(train)


def test_one_worker_may_size_what_ray_wraps() -> None:
    """Without a sampler of its own, Ray iterates the loader that is sized."""

    def train() -> Any:
        resize = progressive()
        loader = prepare_data_loader(loading.sized(plain(), resize))
        return [seen_in(resize, loader) for _ in range(EPOCHS)]

    assert in_ray(train) == SIZES


class TestTwoProcesses:
    @pytest.fixture(autouse=True)
    def _group(self) -> Any:
        distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
        yield
        distributed.destroy_process_group()

    def test_a_loader_that_ray_has_not_seen(self) -> None:
        with pytest.raises(
            ValueError, match=r"DataLoader that prepare_data_loader has"
        ):
            sized(plain(), progressive())

    def test_one_whose_sampler_splits_the_samples(self) -> None:
        data = Images(count=2 * COUNT)
        loader = DataLoader(data, 4, sampler=DistributedSampler(data))
        new = sized(loader, progressive())
        assert [images.shape[-1] for images, _ in new] == SIZES[0]
        assert new.sampler is loader.sampler

    def test_a_stream_splits_its_samples_itself(self) -> None:
        new = sized(DataLoader(Stream(), 4), progressive())
        assert [images.shape[-1] for images, _ in new] == SIZES[0]
