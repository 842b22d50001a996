"""Crops that are drawn first: torchvision's, from no more pixels than they need."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from tests.core.loading.copies import shorter
from torchvision.datasets.folder import default_loader
from torchvision.transforms import InterpolationMode, RandomResizedCrop, v2

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    _crop,
    current_size,
    export_copies,
    sample_size,
    small_copies,
)
from upsize.loading._images._files import ImageFile
from upsize.schedule import Size

FULL = Size(224, 224)


def at(side: int) -> Any:
    return sample_size(Size(side, side), FULL)


def photograph(path: Path, width: int, height: int, **options: Any) -> Path:
    """Smooth waves: what a crop shows changes little with how it is resampled."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 23), np.cos(y / 31), np.sin((x + y) / 17)]
    pixels = np.stack([127 + 120 * wave for wave in waves], axis=-1)
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)
    return path


def change_copy(target: Path, change: Callable[[bytes], bytes]) -> None:
    """Change every copy in a store, behind the back of upsize."""
    with (
        lmdb.open(str(target), lock=False, map_size=1 << 26) as store,
        store.begin(write=True) as transaction,
    ):
        for key, value in list(transaction.cursor()):
            if key.startswith(b"c"):
                transaction.put(key, change(value))


@pytest.fixture
def reductions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What every image is reduced by as it is decoded."""
    seen: list[int] = []
    decode = ImageFile.rgb

    def rgb(self: ImageFile, reduction: int = 1, **options: Any) -> Image.Image:
        seen.append(reduction)
        return decode(self, reduction, **options)

    monkeypatch.setattr(ImageFile, "rgb", rgb)
    return seen


class TestTheCropsOfTorchvision:
    @pytest.mark.parametrize("size", [(500, 375), (333, 500), (60, 2000), (800, 90)])
    @pytest.mark.parametrize(
        "interpolation", ["bilinear", "bicubic", InterpolationMode.LANCZOS, "nearest"]
    )
    @pytest.mark.parametrize("kind", ["jpg", "png"])
    def test_equal_to_the_pixel_when_decoded_in_full(
        self, size: Any, interpolation: Any, kind: str, tmp_path: Path,
        reductions: list[int],
    ) -> None:  # fmt: skip
        path = photograph(tmp_path / f"a.{kind}", *size)
        load = RandomResizedCropDecode(224, interpolation=interpolation)
        mode = InterpolationMode(getattr(interpolation, "value", interpolation))
        crop = RandomResizedCrop(224, interpolation=mode)
        for seed in range(8):
            torch.manual_seed(seed)
            expected = np.asarray(crop(default_loader(str(path))), int)
            state = torch.get_rng_state()
            torch.manual_seed(seed)
            image = np.asarray(load(path), int)
            assert torch.equal(torch.get_rng_state(), state)
            if reductions[-1] == 1:
                assert np.array_equal(image, expected)
            else:
                assert np.abs(image - expected).mean() < 2

    def test_the_draws_of_version_2(self, tmp_path: Path) -> None:
        path = photograph(tmp_path / "a.png", 500, 375)
        for seed in range(8):
            torch.manual_seed(seed)
            expected = v2.RandomResizedCrop((96, 128), scale=(0.3, 0.9))(
                default_loader(str(path))
            )
            torch.manual_seed(seed)
            image = RandomResizedCropDecode((96, 128), scale=(0.3, 0.9))(path)
            assert np.array_equal(np.asarray(image), np.asarray(expected))

    @pytest.mark.parametrize("side", [28, 56, 112, 160])
    def test_the_same_places_at_every_size(self, side: int, tmp_path: Path) -> None:
        path = photograph(tmp_path / "a.jpg", 501, 377, quality=95)
        load, crop = RandomResizedCropDecode(224), RandomResizedCrop(side)
        for seed in range(20):
            torch.manual_seed(seed)
            expected = np.asarray(crop(default_loader(str(path))), int)
            torch.manual_seed(seed)
            with at(side):
                image = load(path)
            assert image.size == (side, side)
            assert np.abs(np.asarray(image, int) - expected).mean() < 2.5

    @pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
    def test_turned(self, orientation: int, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = photograph(tmp_path / "a.jpg", 501, 377, exif=exif, quality=95)
        upright = photograph(tmp_path / "b.png", 501, 377)
        with Image.open(path) as image:
            ImageOps.exif_transpose(image).save(upright)
        small_copies(tmp_path, tmp_path.parent / "small", sizes=[112], full=224,
                     workers=0)  # fmt: skip
        load = RandomResizedCropDecode(224, exif=True)
        copies = CopyLoader(tmp_path, tmp_path.parent / "small")
        other = RandomResizedCropDecode(224, exif=True, copies=copies, sharp=False)
        for seed in range(6):
            images = []
            for each, source in ((load, upright), (load, path), (other, path)):
                torch.manual_seed(seed)
                with at(112):
                    images.append(np.asarray(each(source), int))
            assert np.abs(images[1] - images[0]).mean() < 2
            assert np.abs(images[2] - images[0]).mean() < 3


class TestTensors:
    @pytest.mark.parametrize("size", [(500, 375), (60, 2000), (800, 90)])
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("kind", ["jpg", "png"])
    def test_equal_to_version_2_from_a_tensor_when_decoded_in_full(
        self, size: Any, interpolation: str, kind: str, tmp_path: Path
    ) -> None:
        path = photograph(tmp_path / f"a.{kind}", *size)
        load = RandomResizedCropDecode(
            224, interpolation=interpolation, output="tensor"
        )
        crop = v2.RandomResizedCrop(224, interpolation=InterpolationMode(interpolation))
        whole = v2.functional.pil_to_tensor(default_loader(str(path)))
        for seed in range(8):
            torch.manual_seed(seed)
            expected = crop(whole)
            torch.manual_seed(seed)
            image = load(path)
            assert isinstance(image, torch.Tensor)
            assert image.dtype == torch.uint8
            assert image.is_contiguous()
            if kind == "png":
                assert torch.equal(image, expected)
            else:  # may be decoded at half its sides
                assert image.shape == expected.shape
                assert (image.float() - expected.float()).abs().mean() < 2.5

    @pytest.mark.parametrize("side", [28, 56, 112, 160])
    @pytest.mark.parametrize("orientation", [1, 3, 6])
    @pytest.mark.parametrize("copied", [False, True])
    def test_the_same_places_as_of_images(
        self, side: int, orientation: int, copied: bool, tmp_path: Path
    ) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = photograph(tmp_path / "a.jpg", 501, 377, exif=exif, quality=95)
        copies = None
        if copied:
            folders = tmp_path, tmp_path.parent / "small"
            small_copies(*folders, sizes=[56, 112], full=224, workers=0)
            copies = CopyLoader(*folders)
        images, tensors = (
            RandomResizedCropDecode(
                224, exif=True, copies=copies, sharp=False, output=output
            )
            for output in ("pil", "tensor")
        )
        for seed in range(12):
            torch.manual_seed(seed)
            with at(side):
                expected = v2.functional.pil_to_tensor(images(path))
            torch.manual_seed(seed)
            with at(side):
                image = tensors(path)
            # Up to half a decoded pixel aside, where a pixel of the original is worth
            # some 4 of 255.
            assert (
                image.float() - expected.float()
            ).abs().mean() < 2 + 1.5 * 224 / side

    def test_a_crop_of_less_than_a_pixel(self, tmp_path: Path) -> None:
        path = photograph(tmp_path / "a.jpg", 16, 1200)
        load = RandomResizedCropDecode(
            8, scale=(1e-5, 1e-5), sharp=False, output="tensor"
        )
        for seed in range(20):
            torch.manual_seed(seed)
            with sample_size(Size(1, 1), Size(8, 8)):
                assert load(path).shape == (3, 1, 1)


class TestHowFar:
    @pytest.mark.parametrize("side", [28, 56, 112, 168, 224])
    def test_sharp_crops_are_enlarged_only_where_the_original_s_are(
        self, side: int, tmp_path: Path, reductions: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        path = photograph(tmp_path / "a.jpg", 1000, 750)
        load, drawn = RandomResizedCropDecode(224), []
        draw = _crop.draw_crop
        monkeypatch.setattr(
            _crop,
            "draw_crop",
            lambda *drawing: drawn.append(draw(*drawing)) or drawn[-1],
        )
        for _ in range(40):
            with at(side):
                load(path)
            crop, n = drawn[-1], reductions[-1]
            least = min(crop.height, crop.width)
            assert least / n >= side or n == 1
            assert n == 8 or least / (2 * n) < side  # and no more than that
        assert side == 224 or max(reductions) > 1

    def test_others_as_much_as_at_full_size(
        self, tmp_path: Path, reductions: list[int]
    ) -> None:
        path = photograph(tmp_path / "a.jpg", 500, 375)
        load = RandomResizedCropDecode(224, sharp=False)
        for _ in range(40):
            with at(112):
                load(path)
        assert set(reductions) == {2}
        reductions.clear()
        for _ in range(40):
            with at(224):
                load(path)
        assert set(reductions) == {1}


class TestCopies:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        (tmp_path / "images").mkdir()
        photograph(tmp_path / "images" / "a.jpg", 500, 375, quality=95)
        photograph(tmp_path / "images" / "b.jpg", 120, 90, quality=95)
        small_copies(
            tmp_path / "images", tmp_path / "small", sizes=[112, 168], full=224,
            workers=0, quality=95,
        )  # fmt: skip
        return tmp_path / "images", tmp_path / "small"

    def test_they_are_read_where_they_cover(
        self, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []
        plain = ImageFile.rgb

        def rgb(self: Any, *arguments: Any, **options: Any) -> Image.Image:
            copy = re.match("the (.+) copy of ", str(self._path))
            opened.append(copy[1] if copy else "original")
            return plain(self, *arguments, **options)

        monkeypatch.setattr(ImageFile, "rgb", rgb)
        path = folders[0] / "a.jpg"
        sharp, other = (
            RandomResizedCropDecode(224, copies=CopyLoader(*folders), sharp=sharp)
            for sharp in (True, False)
        )
        crop = RandomResizedCrop(112)
        for seed in range(40):
            torch.manual_seed(seed)
            expected = np.asarray(crop(default_loader(str(path))), int)
            for load in (sharp, other):
                torch.manual_seed(seed)
                with at(112):
                    image = load(path)
                assert current_size() is None
                assert image.size == (112, 112)
                assert np.abs(np.asarray(image, int) - expected).mean() < 3
        assert {"112x112", "168x168", "original"} >= set(opened[::2]) >= {"112x112"}
        assert "original" in opened[::2]
        assert set(opened[1::2]) == {"112x112"}
        opened.clear()
        for side in (168, 150, 169, 224):
            with at(side):
                other(path)
        other(path)
        assert opened == ["168x168", "168x168", *["original"] * 3]

    def test_where_there_are_none(self, folders: tuple[Path, Path]) -> None:
        target = folders[1].with_name("other")
        small_copies(folders[0], target, sizes=[208], full=224, workers=0)
        assert export_copies(target, folders[1].with_name("look")) == 0
        load = RandomResizedCropDecode(224, copies=CopyLoader(folders[0], target))
        with at(168):
            assert load(folders[0] / "b.jpg").size == (168, 168)

    @pytest.mark.parametrize("scale", [(0.08, 1.0), (0.9, 1.0)])
    def test_an_image_that_has_changed_since(
        self, scale: Any, folders: tuple[Path, Path]
    ) -> None:
        """Its crop is drawn anew where its size decides, never cut out elsewhere."""
        path = photograph(folders[0] / "a.jpg", 300, 900, quality=95)
        load = RandomResizedCropDecode(224, scale, copies=CopyLoader(*folders))
        warned = 0
        for seed in range(20):
            torch.manual_seed(seed)
            with at(112), warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                image = load(path)
            assert image.size == (112, 112)
            warned += len(seen)
            for each in seen:
                assert "a.jpg: its small copy is not used: " in str(each.message)
                assert "375x500" in str(each.message)
                assert "900x300" in str(each.message)
        assert warned if scale[0] < 0.1 else not warned

    def test_a_copy_that_is_damaged(self, folders: tuple[Path, Path]) -> None:
        change_copy(folders[1], lambda value: shorter(value, 3000))
        load = RandomResizedCropDecode(224, copies=CopyLoader(*folders), sharp=False)
        plain = RandomResizedCropDecode(224, sharp=False)
        torch.manual_seed(0)
        with at(112), pytest.warns(UserWarning, match=r"a\.jpg: its small copy is not"):
            image = load(folders[0] / "a.jpg")
        torch.manual_seed(0)
        with at(112):
            expected = plain(folders[0] / "a.jpg")
        assert np.array_equal(np.asarray(image), np.asarray(expected))


class TestFields:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"size": 0}, "must be pixels"),
            ({"scale": (0, 1)}, "scale must be the least and the most, .* up to 1,"),
            ({"scale": (0.5, 0.2)}, "scale must be"),
            ({"scale": (0.5, 1.5)}, "scale must be"),
            ({"scale": 0.5}, "scale must be"),
            ({"scale": "ab"}, "scale must be"),
            ({"ratio": (0.5, float("inf"))}, "ratio must be .* above 0, as"),
            ({"ratio": (float("nan"), 1)}, "ratio must be"),
            ({"interpolation": "cubic"}, "interpolation must be one of nearest"),
            ({"interpolation": 2}, "interpolation must be one of"),
            ({"output": "numpy"}, "output must be 'pil' or 'tensor', not 'numpy'"),
            (
                {"output": "tensor", "interpolation": "lanczos"},
                "one of bilinear, bicubic for output='tensor', not 'lanczos'",
            ),
        ],
    )
    def test_bad_ones(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            RandomResizedCropDecode(**({"size": 224} | fields))
        with pytest.raises(TypeError, match="copies must be a CopyLoader, not 'small'"):
            RandomResizedCropDecode(224, copies="small")  # type: ignore[arg-type]

    def test_it_compares_and_travels_to_workers(self) -> None:
        load = RandomResizedCropDecode(224, interpolation=InterpolationMode.BICUBIC)
        assert load == RandomResizedCropDecode((224, 224), interpolation="bicubic")
        assert pickle.loads(pickle.dumps(load)) == load
