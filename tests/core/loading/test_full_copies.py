"""Copies that take the place of the originals, and the quality of JPEG copies."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.loading.copies import FULL, Folders, exported, make, photograph

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    ResizeDecode,
    _load,
    open_image,
    sample_size,
)
from upsize.loading._copies._quality import quality_of
from upsize.loading._copies._settings import CopySettings, base_size, copy_size
from upsize.schedule import Ramp, Size

SMALL = Size(112, 112)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    photograph(tmp_path / "images" / "large.jpg", 500, 375)
    photograph(tmp_path / "images" / "small.png", 240, 180)
    return Folders(tmp_path / "images", tmp_path / "small")


def sizes_in(target: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for name, data in exported(target).items():
        with Image.open(io.BytesIO(data)) as image:
            found[name] = image.size
    return found


class TestMaking:
    def test_raw(self, folders: Folders) -> None:
        make(folders, sizes=[112], encoding="raw", full_copy=256)
        assert sizes_in(folders.target) == {
            "112x112/large.jpg.png": (171, 128),  # half of the one in its place
            "112x112/small.png": (120, 90),
            "224x224/large.jpg.png": (342, 256),
            "224x224/small.png": (240, 180),  # as large as the original
        }

    def test_jpeg(self, folders: Folders) -> None:
        """Only where it is read in less time than the original."""
        make(folders, sizes=[112], full_copy=256)
        assert sizes_in(folders.target) == {
            "112x112/large.jpg": (171, 128),
            "112x112/small.png": (120, 90),
            "224x224/large.jpg": (342, 256),
        }
        make(folders, sizes=[112], full_copy=350)  # 0.87 of the pixels
        assert sizes_in(folders.target) == {
            "112x112/large.jpg": (250, 188),
            "112x112/small.png": (120, 90),
        }

    def test_alone(self, folders: Folders) -> None:
        make(folders, sizes=[], encoding="raw", full_copy=224)
        assert sorted(sizes_in(folders.target).values()) == [(240, 180), (299, 224)]
        plan = Ramp(initial_size=1.0, final_size=224).plan(total_steps=9)
        options: dict[str, Any] = {"plan": plan, "sizes": None, "full": None}
        assert make(folders, encoding="raw", full_copy=224, **options).made == 0

    def test_a_size_that_the_full_one_serves(self, folders: Folders) -> None:
        make(folders, sizes=[112, 220], encoding="raw", full_copy=256)
        assert not any(name.startswith("220") for name in sizes_in(folders.target))
        load = CopyLoader(*folders, full_copy=True)
        with sample_size(Size(220, 220), FULL):
            assert load(folders.source / "large.jpg").size == (342, 256)

    @pytest.mark.parametrize("encoding", ["jpeg", "raw"])
    @pytest.mark.parametrize("image", [Size(375, 500), Size(900, 300), Size(20, 30)])
    def test_none_is_larger_than_the_base(self, encoding: Any, image: Size) -> None:
        quality = 90 if encoding == "jpeg" else None
        sizes = tuple(Size(side, side) for side in (1, 64, 112, 223))
        settings = CopySettings(sizes, FULL, 0.08, quality, encoding, 256)
        base = base_size(image, settings)
        assert min(base) == min(256, *image)
        for size in settings.served:
            copy = copy_size(image, size, settings)
            if copy is not None:
                assert copy.height <= base.height
                assert copy.width <= base.width


class TestReading:
    @pytest.mark.parametrize("encoding", ["jpeg", "raw"])
    def test_at_full_size_only_when_asked(
        self, folders: Folders, encoding: str
    ) -> None:
        path = folders.source / "large.jpg"
        make(folders, sizes=[112], encoding=encoding, full_copy=256)
        with pytest.raises(
            ValueError, match=r"small: .* made with full_copy, so .*=True"
        ):
            CopyLoader(*folders)
        load = CopyLoader(*folders, full_copy=True)
        assert load(path).size == (342, 256)
        for side, width in [(112, 171), (113, 342), (224, 342)]:
            with sample_size(Size(side, side), FULL):
                assert load(path).width == width
        with sample_size(Size(300, 300), FULL):  # larger than the full size
            assert load(path).width == 500
        make(folders, sizes=[112], encoding=encoding)
        with pytest.raises(
            ValueError, match=r"made without full_copy, .*=False, not T"
        ):
            load(path)
        with pytest.raises(ValueError, match="made without full_copy"):
            CopyLoader(*folders, full_copy=True)
        plain = CopyLoader(*folders)
        assert plain(path).size == (500, 375)

    @pytest.mark.parametrize("sharp", [False, True])
    @pytest.mark.parametrize("side", [112, 160, 224])
    def test_every_crop_is_of_a_copy(
        self, folders: Folders, sharp: bool, side: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(folders, sizes=[112, 160], encoding="raw", full_copy=256)
        load = RandomResizedCropDecode(
            224,
            sharp=sharp,
            copies=CopyLoader(*folders, full_copy=True),
            output="tensor",
        )
        original = RandomResizedCropDecode(224, sharp=sharp, output="tensor")
        path = folders.source / "large.jpg"
        near, differences = [], []
        for seed in range(8):
            with sample_size(Size(side, side), FULL):
                torch.manual_seed(seed)
                near.append(original(path).float())
        monkeypatch.setattr(_load, "open_file", None)  # of no original
        for seed in range(8):
            torch.manual_seed(seed)
            with sample_size(Size(side, side), FULL):
                crop = load(path)
            assert crop.shape == (3, side, side)
            differences.append((crop - near[seed]).abs().mean().item())
        assert np.mean(differences) < 12  # of the same place, in noise
        torch.manual_seed(0)
        full = load(path)  # outside of sized
        assert full.shape == (3, 224, 224)

    @pytest.mark.parametrize("sharp", [False, True])
    @pytest.mark.parametrize("side", [112, 224])
    def test_resized(
        self, folders: Folders, sharp: bool, side: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(folders, sizes=[112], encoding="raw", full_copy=256)
        copies = CopyLoader(*folders, full_copy=True)
        path = folders.source / "large.jpg"
        load = ResizeDecode(256, crop=224, sharp=sharp, copies=copies, output="tensor")
        with sample_size(Size(side, side), FULL):
            original = ResizeDecode(256, crop=224, output="tensor")(path)
            monkeypatch.setattr(_load, "open_file", None)  # of no original
            found = load(path)
        assert found.shape == (3, side, side)
        assert (found.float() - original.float()).abs().mean() < 6

    def test_without_it_full_size_is_the_originals(self, folders: Folders) -> None:
        make(folders, sizes=[112], encoding="raw")
        path = folders.source / "large.jpg"
        load = CopyLoader(*folders)
        assert np.array_equal(np.asarray(load(path)), np.asarray(open_image(path)))
        crops = []
        for copies in (None, load):
            torch.manual_seed(1)
            decode = RandomResizedCropDecode(224, copies=copies, output="tensor")
            crops.append(decode(path))
        assert torch.equal(*crops)


class TestQuality:
    @pytest.mark.parametrize("quality", [1, 2, 30, 49, 50, 75, 90, 95, 100])
    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_estimated(self, quality: int, mode: str) -> None:
        data = io.BytesIO()
        Image.new(mode, (8, 8)).save(data, "JPEG", quality=quality)
        with Image.open(data) as image:
            assert quality_of(image.quantization) == quality

    @pytest.mark.parametrize(
        ("table", "quality"), [([1] * 64, 100), ([65_535] * 64, 1), ([255] * 64, 1)]
    )
    def test_of_other_tables(self, table: list[int], quality: int) -> None:
        assert quality_of({0: table, 1: [17] * 64}) == quality
        assert quality_of({}) is None

    def test_coarser_than_asked_between_two(self) -> None:
        data = io.BytesIO()
        Image.new("RGB", (8, 8)).save(data, "JPEG", quality=80)
        with Image.open(data) as image:
            table = image.quantization[0]
        assert quality_of({0: [table[0] + 1, *table[1:]]}) == 79

    @pytest.mark.parametrize(
        ("own", "asked", "made"), [(60, 90, 60), (95, 90, 90), (90, 90, 90)]
    )
    def test_a_copy_is_not_above_its_original(
        self, tmp_path: Path, own: int, asked: int, made: int
    ) -> None:
        folders = Folders(tmp_path / "images", tmp_path / "small")
        photograph(folders.source / "a.jpg", quality=own)
        photograph(folders.source / "b.png")
        report = make(folders, sizes=[112], quality=asked)
        assert report.lowered == (own < asked)
        copy = exported(folders.target)["112x112/a.jpg"]
        with Image.open(io.BytesIO(copy)) as image:
            assert quality_of(image.quantization) == made
