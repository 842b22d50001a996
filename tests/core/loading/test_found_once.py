"""Transforms are found once, again when they change, and in containers of any kind."""

from __future__ import annotations

import copy
import pickle
from collections import UserList
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from tests.core.loading.smaller import Items, samples
from timm.data.auto_augment import AugMixAugment
from torch.utils.data import ConcatDataset, Subset
from torchvision.transforms import v2

from upsize.loading._batches import SizedBatch
from upsize.loading._dataset import SizedDataset
from upsize.loading._transforms import _find, find_pixels, restoring_sizes
from upsize.schedule import Ramp, Size

FULL, HALF = Size(64, 64), Size(32, 32)


class Sides(NamedTuple):
    height: int
    width: int


@pytest.mark.parametrize(
    ("size", "half"),
    [
        (Sides(64, 48), Sides(32, 24)),
        (Ramp(final_size=(64, 48)).plan(total_steps=9).final_size, Size(32, 24)),
        (torch.Size([64, 48]), torch.Size([32, 24])),
        (UserList([64, 48]), [32, 24]),  # as a ListConfig, a sequence and no list
        ((np.int64(64), np.int32(48)), (32, 24)),
        (np.int64(64), 32),
        ([64], [32]),
    ],
)
def test_sizes_of_any_kind(size: Any, half: Any) -> None:
    resize = v2.RandomResizedCrop(64)
    resize.size = size
    data = Items(resize)
    with restoring_sizes(data, HALF, FULL):
        assert resize.size == half
        assert type(resize.size) is type(half)
    assert resize.size is size


def test_the_final_size_of_a_plan_is_made_small() -> None:
    size = Ramp(final_size=32).plan(total_steps=9).final_size
    assert samples(Items(v2.Resize(size)), 16, 32)[0].shape == (3, 16, 16)


def test_the_width_of_augmix_is_no_size() -> None:
    mix = AugMixAugment([v2.Identity()], width=4)
    assert len(find_pixels(Items(v2.Compose([v2.Resize(64), mix])))) == 1


def many(count: int = 66) -> tuple[list[Items], ConcatDataset[Any]]:
    parts = [Items(v2.Compose([v2.Resize((32, 32))])) for _ in range(count)]
    return parts, ConcatDataset(parts)


class TestManyDatasets:
    def test_each_is_found(self) -> None:
        _, data = many()
        assert len(find_pixels(data)) == 66
        made = samples(data, 16, 32)
        assert {each.shape for each in made} == {(3, 16, 16)}

    def test_in_a_dictionary(self) -> None:
        parts, _ = many()
        data = Items(None, parts=dict(enumerate(parts)))
        assert len(find_pixels(data)) == 66

    def test_a_chain_of_subsets(self) -> None:
        data: Any = Items(v2.Resize((32, 32)))
        for _ in range(70):
            data = Subset(data, [0])
        assert samples(data, 16, 32)[0].shape == (3, 16, 16)


class TestOnce:
    """How often the transforms of a dataset are walked."""

    @pytest.fixture
    def walks(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        walked: list[Any] = []
        walk = _find._walked

        def counted(dataset: Any) -> Any:
            walked.append(dataset)
            return walk(dataset)

        monkeypatch.setattr(_find, "_walked", counted)
        return walked

    @staticmethod
    def shapes(data: SizedDataset) -> set[tuple[int, ...]]:
        batch = SizedBatch(range(len(data)), Size(16, 16), Size(32, 32))
        return {tuple(each.shape) for each in data.__getitems__(batch)}

    def test_for_all_batches(self, walks: list[Any]) -> None:
        data = SizedDataset(many()[1])
        for _ in range(3):
            assert self.shapes(data) == {(3, 16, 16)}
        assert len(walks) == 1

    def test_never_at_full_size(self, walks: list[Any]) -> None:
        data = SizedDataset(many()[1])
        data.__getitems__(SizedBatch([0], Size(32, 32), Size(32, 32)))
        assert walks == []

    def test_again_for_another_transform(self, walks: list[Any]) -> None:
        parts, concat = many(3)
        data = SizedDataset(concat)
        self.shapes(data)
        parts[1].transform = v2.Compose([v2.CenterCrop(8), v2.Resize((64, 64))])
        assert self.shapes(data) == {(3, 16, 16), (3, 32, 32)}
        parts[1].transform.transforms[1] = v2.Resize((16, 16))  # within its list
        assert self.shapes(data) == {(3, 16, 16), (3, 8, 8)}
        concat.datasets[1] = Items(v2.Resize((96, 96)))
        assert self.shapes(data) == {(3, 16, 16), (3, 48, 48)}
        assert len(walks) == 4

    def test_again_for_a_new_attribute(self, walks: list[Any]) -> None:
        class Closed(Items):
            def __getitem__(self, index: int) -> Any:
                mosaic = getattr(self, "last", None)
                return super().__getitem__(index) if mosaic is None else mosaic(index)

        inner = Closed(v2.Resize((32, 32)))
        data = SizedDataset(inner)
        self.shapes(data)
        resize = v2.Resize((48, 48))
        inner.last = lambda index: resize(inner.items[index])  # type: ignore[attr-defined]
        inner.resize = resize  # type: ignore[attr-defined]
        assert self.shapes(data) == {(3, 24, 24)}
        assert len(walks) == 2

    @pytest.mark.parametrize("empty", [False, 0, "", (), (0, 0), None], ids=repr)
    @pytest.mark.parametrize(
        "held_as", [lambda each: each, lambda each: (each,)], ids=["alone", "tuple"]
    )
    def test_again_where_nothing_was(
        self, empty: Any, held_as: Any, walks: list[Any]
    ) -> None:
        class Later(Items):
            def __getitem__(self, index: int) -> Any:
                image = super().__getitem__(index)
                more = self.more if isinstance(self.more, tuple) else (self.more,)
                for each in filter(callable, more):
                    image = each(image)
                return image

        inner = Later(v2.Resize((32, 32)), more=empty)
        data = SizedDataset(inner)
        for _ in range(2):
            assert self.shapes(data) == {(3, 16, 16)}
        assert len(walks) == 1
        inner.more = held_as(v2.Resize((48, 48)))
        assert self.shapes(data) == {(3, 24, 24)}
        assert len(walks) == 2

    def test_again_in_a_list_that_grows_and_a_module(self, walks: list[Any]) -> None:
        steps = torch.nn.Sequential(v2.Resize((32, 32)))
        data = SizedDataset(Items(steps))
        self.shapes(data)
        steps.append(v2.Resize((48, 48)))
        assert self.shapes(data) == {(3, 24, 24)}
        steps[1] = v2.Resize((96, 96))
        assert self.shapes(data) == {(3, 48, 48)}
        assert len(walks) == 3

    def test_a_new_transform_that_cannot_be_small_is_refused(self) -> None:
        inner = Items(v2.Resize((32, 32)))
        data = SizedDataset(inner)
        self.shapes(data)
        inner.transform = v2.RandomCrop(32)
        for _ in range(2):
            with pytest.raises(ValueError, match="RandomCrop crops without resizing"):
                self.shapes(data)

    def test_not_for_what_changes_with_each_sample(self, walks: list[Any]) -> None:
        class Counting(Items):
            calls = 0
            last: Any = 0.0

            def __getitem__(self, index: int) -> Any:
                self.calls += 1
                self.last = image = super().__getitem__(index)
                return image

        data = SizedDataset(Counting(v2.Resize((32, 32)), calls=0, last=torch.ones(1)))
        for _ in range(3):
            self.shapes(data)
        assert len(walks) == 1

    @pytest.mark.parametrize(
        "copied", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))]
    )
    def test_a_copy_finds_its_own(self, copied: Any, walks: list[Any]) -> None:
        data = SizedDataset(Items(v2.Resize((32, 32))))
        self.shapes(data)
        other = copied(data)
        other.transform = v2.Resize((48, 48))  # reaches the dataset inside
        assert self.shapes(other) == {(3, 24, 24)}
        assert self.shapes(data) == {(3, 16, 16)}
        assert [type(each) for each in walks] == [Items] * 2
        assert walks[1].transform is other.transform
