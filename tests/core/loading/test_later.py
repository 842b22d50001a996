"""What is decoded and resampled at the end of a batch is what samples are one by one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.core.loading.copies import Folders, make, opened, photograph, shorter
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import CopyLoader, RandomResizedCropDecode, _later, sample_size
from upsize.loading._dataset import SizedDataset
from upsize.loading._later import Later
from upsize.loading._made_batch import MadeBatch
from upsize.schedule import Size

SMALL, FULL = Size(56, 56), Size(112, 112)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("later")
    folders = Folders(root / "images", root / "small")
    for name in ("a.jpg", "bb.jpg", "ccc.png", "dddd.jpg"):
        photograph(folders.source / "one" / name, 250, 188)
    make(folders, sizes=[56, 84], full=112)
    return folders


def check(data: Any, indices: list[int]) -> list[str]:
    """Compare a batch with its samples, and return the warnings of both."""

    def whole() -> Any:
        return SizedDataset(data).samples_at(indices, SMALL, FULL)

    def one_by_one() -> Any:
        with sample_size(SMALL, FULL):
            return [data[index] for index in indices]

    made, told, after = [], [], []
    for each in (whole, one_by_one):
        torch.manual_seed(3)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            made.append(each())
        told.append([str(warning.message) for warning in seen])
        after.append(torch.rand(1).item())
    assert type(made[0]) is MadeBatch
    assert all(
        torch.equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(*made, strict=True)
    )
    assert told[0] == told[1]
    assert after[0] == after[1]
    return told[0]


def loader(copies: CopyLoader | None = None) -> RandomResizedCropDecode:
    return RandomResizedCropDecode(112, sharp=False, copies=copies, output="tensor")


@pytest.mark.parametrize("most", [1, 20_000, 1 << 20])
def test_files(folders: Folders, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_later, "_MOST_BYTES", most)
    data = ImageFolder(folders.source, v2.RandomHorizontalFlip(), loader=loader())
    assert check(data, [3, 0, 2, 1, 1, 0]) == []


@pytest.mark.parametrize("damaged", [[], [56], [56, 84]], ids=str)
def test_the_next_copy_is_read_for_one_that_is_damaged(
    folders: Folders, damaged: list[int], tmp_path: Path
) -> None:
    """And the original for the last one, all with the crop that was drawn."""
    copies = Folders(folders.source, tmp_path / "small")
    make(copies, sizes=[56, 84], full=112)
    keys = [b"c" + 2 * side.to_bytes(4, "big") + b"one/bb.jpg" for side in damaged]
    with opened(copies.target) as store:
        for key in keys:
            store.put(key, shorter(bytes(store.get(key)), 500))
    load = loader(CopyLoader(*copies))
    data = ImageFolder(folders.source, v2.RandomHorizontalFlip(), loader=load)
    told = check(data, [3, 1, 0, 1, 2])
    assert len(told) == 2 * len(damaged)
    assert all("bb.jpg: its small copy is not used" in each for each in told)


class TestLater:
    def test_no_more_is_held_than_fits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_later, "_MOST_BYTES", 10)
        done: list[str] = []
        with Later() as later:
            later.do(done.append, "a", held=6)
            later.do(done.append, "b")
            later.do(done.append, "c", held=4)
            assert done == []
            later.do(done.append, "d", held=1)
            assert done == ["a", "b", "c"]
            later.do(done.append, "e", held=100)
            assert done == ["a", "b", "c", "d"]
        assert done == ["a", "b", "c", "d", "e"]

    def test_nothing_is_done_after_an_error(self) -> None:
        done: list[str] = []

        def block() -> None:
            with Later() as later:
                later.do(done.append, "work")
                raise KeyError

        with pytest.raises(KeyError):
            block()
        assert done == []
