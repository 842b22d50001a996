"""What is read from and written to a sized loader reaches the user's own objects."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from tests.core.loading.images import FULL, RAMP, Images, collate
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    SequentialSampler,
    Subset,
    get_worker_info,
    random_split,
)
from torch.utils.data.distributed import DistributedSampler

from upsize.loading import sized
from upsize.loading._batches import SizedBatchSampler, SizedDraws, source_of
from upsize.loading._proxy import Proxy, inner_of
from upsize.loop import ProgressiveResize

PLAN = RAMP.plan(total_steps=10_000)  # 16 px


class Mosaic(Images):
    """Has an attribute as YOLO's dataset has, which the training switches off."""

    mosaic = True
    file = "none"

    def __getitem__(self, index: int) -> Any:
        image, _ = super().__getitem__(index)
        return image, (index, self.mosaic, self.file)

    def set_size(self, side: int) -> int:
        """A method of the user that upsize must not hide."""
        self.side = side
        return side


def open_file(worker: int) -> None:
    info: Any = get_worker_info()
    assert isinstance(info.dataset, Mosaic)
    info.dataset.file = f"file {worker}"


class TestDataset:
    def test_what_is_written_reaches_the_dataset(self) -> None:
        data = Mosaic()
        loader: Any = sized(DataLoader(data, 4), PLAN)
        loader.dataset.mosaic = False
        assert data.mosaic is False
        assert not any(next(iter(loader))[1][1])
        del loader.dataset.mosaic
        assert loader.dataset.mosaic is True
        assert loader.dataset.set_size(7) == data.side == 7

    def test_another_transform_between_epochs(self) -> None:
        data = Images()
        loader: Any = sized(DataLoader(data, 4), PLAN)
        first = next(iter(loader))[0]
        loader.dataset.transform = type(data.transform)(
            [*data.transform.transforms, torch.zeros_like]
        )
        second = next(iter(loader))[0]
        assert first.shape == second.shape == (4, 3, 16, 16)
        assert second.sum() == 0
        assert first.sum() > 0

    def test_the_attributes_of_a_subset_are_its_own(self) -> None:
        data = Images()
        subset = Subset(Subset(data, range(20)), range(10))
        loader: Any = sized(DataLoader(subset, 4), PLAN)
        assert loader.dataset.dataset is subset.dataset
        assert loader.dataset.dataset.dataset is data
        assert loader.dataset.indices == range(10)
        assert isinstance(loader.dataset, Subset)
        loader.dataset.dataset = data
        loader.dataset.indices = [25, 24]
        assert next(iter(loader))[1].tolist() == [25, 24]

    @pytest.mark.parametrize("make", [
        lambda data: data,
        lambda data: ConcatDataset([data, data]),
        lambda data: random_split(data, [20, 6])[0],
    ])  # fmt: skip
    def test_it_is_what_the_dataset_is(self, make: Any) -> None:
        data = make(Mosaic())
        given: Any = sized(DataLoader(data, 4), PLAN).dataset
        assert isinstance(given, type(data))
        assert isinstance(given, Dataset)
        assert given.__class__ is type(data)
        assert given == data
        assert hash(given) == hash(data)
        assert vars(given) is vars(data)
        assert dir(given) == dir(data)
        assert repr(given) == repr(data)
        assert str(given) == str(data)
        assert len(given) == len(data)
        assert bool(given)
        assert given[3][0].shape[-1] == FULL
        assert len(given + data) == 2 * len(data)
        assert not hasattr(given, "no such thing")
        assert len(DataLoader(Subset(given, [0, 1]), 2)) == 1

    def test_a_dataset_that_can_do_more(self) -> None:
        data: Any = {"a": 1, "b": 2}
        proxy: Any = Proxy(data)
        proxy["c"] = 3
        del proxy["a"]
        assert list(proxy) == ["b", "c"]
        assert "c" in proxy
        assert data == {"b": 2, "c": 3}
        assert inner_of(Proxy(proxy)) is data
        assert inner_of(data) is data
        other = copy.copy(proxy)
        assert type(other) is Proxy
        assert inner_of(other) is data
        with pytest.raises(AttributeError, match="_upsize_inner"):
            _ = object.__new__(Proxy).anything

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_worker_gets_the_dataset_itself(self, workers: int) -> None:
        data = Mosaic()
        plain = DataLoader(data, 4, num_workers=workers, worker_init_fn=open_file)
        if not workers:
            data.file = "file 0"
        loader = sized(plain, PLAN)
        images, (_, _, file) = next(iter(loader))
        assert images.shape[-1] == 16
        assert set(file) == {"file 0"}
        assert loader.worker_init_fn is open_file


class TestBatchSampler:
    def test_what_is_written_reaches_it(self) -> None:
        plain = DataLoader(Images(), 4)
        loader: Any = sized(plain, PLAN)
        own: Any = plain.batch_sampler
        loader.batch_sampler.batch_size = 12
        assert own.batch_size == 12
        assert [len(labels) for _, labels in loader] == [12, 12, 2]
        assert len(loader) == 3
        loader.batch_sampler.drop_last = True
        assert len(loader) == len(list(loader)) == 2
        assert isinstance(loader.batch_sampler, BatchSampler)
        assert loader.batch_sampler == own
        assert loader.batch_sampler.sampler is loader.sampler is plain.sampler

    def test_the_inner_one_is_the_users(self) -> None:
        class Outer:
            def __init__(self, batch_sampler: Any) -> None:
                self.batch_sampler = batch_sampler

            def __iter__(self) -> Any:
                return iter(self.batch_sampler)

        inner = BatchSampler(SequentialSampler(range(26)), 4, drop_last=False)
        loader: Any = sized(
            DataLoader(Images(), batch_sampler=Outer(inner)),  # type: ignore[arg-type]
            ProgressiveResize(RAMP, total_steps=99),
        )
        assert loader.batch_sampler.batch_sampler is inner
        loader.batch_sampler.batch_sampler = [[5]]
        assert [labels.tolist() for _, labels in loader] == [[5]]

    def test_the_epoch_reaches_the_sampler(self) -> None:
        data = Images()
        sampler = DistributedSampler(data, 2, 0)
        loader: Any = sized(DataLoader(data, 4, sampler=sampler), PLAN)
        loader.sampler.set_epoch(3)
        assert sampler.epoch == 3
        loader.batch_sampler.set_epoch(4)
        assert sampler.epoch == 4

    def test_a_shard_of_a_batch_has_its_size(self) -> None:
        loader: Any = sized(DataLoader(Images(), 4), PLAN)
        batch = next(iter(loader.batch_sampler))
        shard = batch[1:3]
        assert (shard, shard.size, shard.full) == ([1, 2], (16, 16), (FULL, FULL))
        assert batch[1] == 1

    def test_a_pass_over_it(self) -> None:
        class Draws:  # without __iter__, which loaders do not need
            left = 3

            def __next__(self) -> list[int]:
                self.left -= 1
                return [self.left]

        plain: Any = DataLoader(Images(), 4)
        resize = ProgressiveResize(RAMP, total_steps=99)
        sampler = SizedBatchSampler([[0]], resize)
        draws: Any = SizedDraws(Draws(), resize, None)  # type: ignore[arg-type]
        assert iter(draws) is draws
        assert next(draws) == [2]
        assert draws.left == 2
        assert source_of(sampler) is resize
        assert source_of(plain.batch_sampler) is None

    def test_a_source_without_a_size(self) -> None:
        class Silent:
            final_size = PLAN.final_size

            def sizes_ahead(self, batches: Any) -> Any:
                return iter(())

        loader = sized(DataLoader(Images(), 4), Silent())  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="Silent gives a batch no size"):
            next(iter(loader))


class TestLoader:
    def test_what_else_it_has_is_its_own(self) -> None:
        generator = torch.Generator()
        plain: Any = DataLoader(
            Images(), 4, generator=generator, collate_fn=collate, num_workers=1,
            worker_init_fn=open_file, multiprocessing_context="fork",
        )  # fmt: skip
        loader = sized(plain, PLAN)
        assert loader.collate_fn == collate
        assert loader.collate_fn.__name__ == "collate"
        assert loader.collate_fn([Images()[0]])["image"].shape[-1] == FULL
        for name in ("generator", "worker_init_fn", "multiprocessing_context"):
            assert getattr(loader, name) is getattr(plain, name)

    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))],
    )
    def test_a_copy_is_sized_as_well(self, again: Any) -> None:
        loader: Any = sized(DataLoader(Mosaic(), 4, collate_fn=collate), PLAN)
        loader.dataset.mosaic = False
        other = again(loader)
        batch = next(iter(other))
        assert batch["image"].shape[-1] == 16
        assert batch["label"][0] == (0, False, "none")
        assert type(copy.copy(loader.dataset)) is type(loader.dataset)

    def test_another_collate_function_later(self) -> None:
        loader: Any = sized(DataLoader(Images(), 4), PLAN)
        loader.collate_fn = collate
        assert next(iter(loader))["image"].shape[-1] == 16
