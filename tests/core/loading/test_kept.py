"""Caches of reduced images are refused where they are seen, and else noticed."""

from __future__ import annotations

from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.core.loading.images import FULL, RAMP
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset
from torchvision.transforms import v2

import upsize.loading
from upsize.loading import RandomResizedCropDecode, current_size, open_image, sized
from upsize.loading._kept import KEPT

MODE = "RGB"
PLAN = RAMP.plan(epochs=3, steps_per_epoch=2)


class Files(Dataset[Any]):
    """Opens JPEG files of 120 x 90 pixels."""

    def __init__(self, folder: Path, load: Any) -> None:
        self.load, self.folder = load, folder
        self.transform = v2.Compose([v2.Resize((FULL, FULL)), v2.PILToTensor()])

    def __len__(self) -> int:
        return 4

    def path(self, index: int) -> str:
        return str(self.folder / f"{index}.jpg")

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.load(self.path(index)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        pixels = torch.randint(256, (3, 90, 120), dtype=torch.uint8)
        v2.functional.to_pil_image(pixels).save(tmp_path / f"{number}.jpg")
    return tmp_path


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KEPT, "_told", False)


@lru_cache
def by_function(path: str) -> Any:
    return open_image(path)


@cache
def by_module(path: str) -> Any:
    return upsize.loading.open_image(path).copy()


def helper(path: str) -> Any:
    return [open_image(path)][0]


@cache
def by_helper(path: str) -> Any:
    return helper(path)


@cache
def with_size(path: str, size: Any) -> Any:
    return open_image(path)


@cache
def whole(path: str) -> Any:
    return Image.open(path).convert(MODE)


class InClass(Files):
    @lru_cache(16)  # noqa: B019 - the example
    def cached(self, path: str) -> Any:
        return open_image(path)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.cached(self.path(index)))


class InMethod(Files):
    def __getitem__(self, index: int) -> Any:
        return self.transform(by_function(self.path(index)))


def crops() -> Any:
    return cache(RandomResizedCropDecode(FULL))


class TestRefused:
    @pytest.mark.parametrize(
        "load",
        [
            cache(open_image), lru_cache(8)(open_image), by_function, by_module,
            by_helper, partial(by_function), lambda path: by_function(path),
            [by_function], crops(), cache(partial(open_image, exif=True)),
        ],
    )  # fmt: skip
    def test_a_cache_that_the_dataset_holds(self, load: Any, tmp_path: Path) -> None:
        data = Files(tmp_path, load)
        for each in (data, Subset(data, [0]), ConcatDataset([data, data])):
            with pytest.raises(
                ValueError, match=r"caches the results.*current_size\(\)"
            ):
                sized(DataLoader(each, 2), PLAN)

    @pytest.mark.parametrize("kind", [InClass, InMethod])
    def test_a_cache_that_its_class_has(self, kind: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"{kind.__name__} caches the results"):
            sized(DataLoader(kind(tmp_path, None), 2), PLAN)

    def test_a_bound_method(self, tmp_path: Path) -> None:
        data = Files(tmp_path, InClass(tmp_path, None).cached)
        with pytest.raises(ValueError, match="caches the results"):
            sized(DataLoader(data, 2), PLAN)


class TestAccepted:
    def test_a_cache_with_the_size_in_its_key(self, folder: Path) -> None:
        def load(path: str) -> Any:
            return with_size(path, current_size())

        loader = sized(DataLoader(Files(folder, load), 2), PLAN)
        with pytest.warns(UserWarning, match="by their path"):
            seen = [images.shape[-1] for _ in range(3) for images in loader]
        assert seen == [PLAN.size_at(step).width for step in range(6)]

    @pytest.mark.parametrize("load", [whole, open_image, cache(len), abs, Files])
    def test_what_keeps_no_reduced_image(self, load: Any, folder: Path) -> None:
        loader = sized(DataLoader(Files(folder, load), 2), PLAN)
        if load in (whole, open_image):
            assert len([images for _ in range(3) for images in loader]) == 6


class TestNoticed:
    def kept(self, folder: Path, load: Any) -> Any:
        loader = sized(DataLoader(Files(folder, load), 2), PLAN)
        for _ in range(3):
            for _ in loader:
                pass

    def test_a_cache_of_ones_own(self, folder: Path) -> None:
        known: dict[str, Any] = {}

        def load(path: str) -> Any:
            if path not in known:
                known[path] = open_image(path)
            return known[path]

        message = r"images that were decoded for \d+x\d+ .*part of its key"
        with pytest.warns(UserWarning, match=message) as told:
            self.kept(folder, load)
        assert len(told) == 1

    def test_the_images_of_the_last_batch(self, folder: Path) -> None:
        last: list[Any] = []

        def load(path: str) -> Any:
            last.append(open_image(path))
            del last[:-2]
            return last[-1]

        self.kept(folder, load)

    def test_images_that_refer_to_themselves(self, folder: Path) -> None:
        def load(path: str) -> Any:
            image = open_image(path)
            image.info["self"] = image
            return image

        self.kept(folder, load)
