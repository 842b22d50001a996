"""Copies where a sample has more than its image, a cache, or originals of another folder."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.loading.copies import Folders, make
from tests.core.loading.smaller import samples
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    ResizeDecode,
    sample_size,
    sized,
)
from upsize.loading._kept import KEPT
from upsize.loading._measure import measure_loading
from upsize.schedule import Ramp, Size

SIDE, FULL, SMALL = 256, 64, 16
BOX = [64, 64, 192, 192]  # of the white square in the file
RAW = {"encoding": "raw", "full_copy": 64}


def square(path: Path) -> Path:
    """Write a black image with a white square."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[64:192, 64:192] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
    return path


def made(folders: Folders, **options: Any) -> CopyLoader:
    make(folders, sizes=[SMALL], full=FULL, least_scale=1.0, **options)
    return CopyLoader(*folders, full_copy="full_copy" in options)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    both = Folders(tmp_path / "images", tmp_path / "small")
    square(both.source / "kind" / "a.jpg")
    return both


def white(image: Any) -> list[int]:
    """Return the box of what is white in an image."""
    rows, columns = torch.where(torch.as_tensor(np.asarray(image))[0] > 127)
    return [*map(int, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))]


class Beside(Dataset[Any]):
    """Boxes, points, a mask or plain numbers in pixels of the file."""

    def __init__(self, path: Path, load: Any, target: str) -> None:
        self.path, self.load, self.target = path, load, target
        self.transforms = v2.Compose([v2.Resize((FULL, FULL)), v2.ToImage()])

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        image = self.load(self.path)
        canvas, box = (image.height, image.width), torch.tensor([BOX])
        beside: Any = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
        beside[64:192, 64:192] = 1
        if self.target == "boxes":
            beside = tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=canvas)
        elif self.target == "points":
            beside = tv_tensors.KeyPoints(box.view(2, 2), canvas_size=canvas)
        elif self.target == "mask":
            beside = tv_tensors.Mask(beside)
        else:
            beside = [side * FULL // image.width for side in BOX]
        return self.transforms(image, beside)


def box_of(beside: Any) -> list[int]:
    """Return the box that is beside an image."""
    if isinstance(beside, tv_tensors.Mask):
        return white(beside[None] * 255)
    if isinstance(beside, list):
        return [side * SMALL // FULL for side in beside]
    return torch.as_tensor(beside).flatten().tolist()


class TestPositionsOfTheFile:
    @pytest.mark.parametrize("target", ["boxes", "points", "mask", "numbers"])
    def test_originals_are_read(self, target: str, folders: Folders) -> None:
        data = Beside(folders.source / "kind" / "a.jpg", made(folders), target)
        with pytest.warns(UserWarning, match="small: these copies are not read, but"):
            found = samples(data, SMALL, FULL)
        for image, beside in found:
            assert image.shape[-2:] == (SMALL, SMALL)
            assert box_of(beside) == white(image) == [4, 4, 12, 12]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it is said once
            samples(data, SMALL, FULL)

    def test_before_a_crop_in_pixels_of_the_file(self, folders: Folders) -> None:
        crop = v2.Compose([v2.CenterCrop(128), v2.Resize((FULL, FULL)), v2.ToImage()])
        data = ImageFolder(folders.source, crop, loader=made(folders))
        with pytest.warns(
            UserWarning, match="or a crop before the resize are in pixels"
        ):
            ((image, _),) = samples(data, SMALL, FULL)
        assert image.float().mean() > 250  # the white square alone, all of it

    @pytest.mark.parametrize("target", ["boxes", "numbers"])
    def test_copies_instead_of_originals_are_refused(
        self, target: str, folders: Folders
    ) -> None:
        data = Beside(folders.source / "kind" / "a.jpg", made(folders, **RAW), target)
        with pytest.raises(
            ValueError,
            match=r"a\.jpg: its copy of full_copy is smaller .* without full_copy",
        ):
            samples(data, SMALL, FULL)

    @pytest.mark.parametrize("options", [{}, RAW], ids=["small", "full copies"])
    def test_the_scale(self, options: dict[str, Any], folders: Folders) -> None:
        class Scaled(Beside):
            def __getitem__(self, index: int) -> Any:
                image, scale = self.load(self.path, return_scale=True)
                seen.append((image.width, scale, image.info["upsize_scale"]))
                box = scale * torch.tensor([BOX])
                canvas = image.height, image.width
                return self.transforms(
                    image,
                    tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=canvas),
                )

        seen: list[Any] = []
        load = made(folders, **options)
        data = Scaled(folders.source / "kind" / "a.jpg", load, "boxes")
        for image, boxes in samples(data, SMALL, FULL):
            assert boxes[0].tolist() == white(image) == [4, 4, 12, 12]
        width = seen[0][0]
        assert width < SIDE // 10
        assert seen == [(width, width / SIDE, width / SIDE)] * 2
        image, scale = load(data.path, return_scale=True)  # at full size
        assert scale == image.width / SIDE == (0.25 if options else 1.0)

    def test_the_scale_without_a_copy(self, folders: Folders) -> None:
        load = made(folders)
        with sample_size(
            Size(32, 32), Size(FULL, FULL)
        ):  # larger than the copies are for
            image, scale = load(folders.source / "kind" / "a.jpg", return_scale=True)
        assert (image.width, scale) == (SIDE // 2, 0.5)


class TestCaches:
    @pytest.fixture(autouse=True)
    def once(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(KEPT, "_told", False)
        yield
        KEPT._recent.clear()
        KEPT._older.clear()

    def test_copies_in_a_dictionary_are_noticed(self, folders: Folders) -> None:
        class Cached(ImageFolder):  # type: ignore[misc]
            def __getitem__(self, index: int) -> Any:
                path, label = self.samples[index]
                if path not in images:
                    images[path] = load(path)
                return self.transform(images[path]), label

        images: dict[str, Any] = {}
        load = made(folders)
        steps = v2.Compose([v2.Resize((FULL, FULL)), v2.PILToTensor()])
        plan = Ramp(final_size=FULL, initial_size=SMALL, increase_by=16).plan(
            epochs=4, steps_per_epoch=1
        )
        loader = sized(DataLoader(Cached(folders.source, steps)), plan)
        with pytest.warns(UserWarning, match="1 images that were decoded for 16x16"):
            [each for _ in range(3) for each in loader]


class TestOriginalsOfAnotherFolder:
    def test_are_refused(self, folders: Folders, tmp_path: Path) -> None:
        made(folders)
        other = tmp_path / "other"
        Image.new("RGB", (90, 90)).save(square(other / "kind" / "a.jpg"))
        with pytest.raises(
            ValueError, match=r"other images than those in .*other: kind/a\.jpg has"
        ):
            CopyLoader(other, folders.target)

    def test_one_that_is_the_same_is_enough(self, folders: Folders) -> None:
        square(folders.source / "kind" / "b.jpg")
        made(folders)
        Image.new("RGB", (90, 90)).save(folders.source / "kind" / "a.jpg")
        CopyLoader(*folders)

    @pytest.mark.parametrize("gone", [Path.unlink, lambda path: path.write_bytes(b"")],
                             ids=["removed", "emptied"])  # fmt: skip
    def test_those_that_are_gone_do_not_count(
        self, gone: Callable[[Path], Any], folders: Folders
    ) -> None:
        load = made(folders, **RAW)
        path = folders.source / "kind" / "a.jpg"
        gone(path)
        assert CopyLoader(*folders, full_copy=True)(path).size == load(path).size

    def test_an_image_without_copies_is_told_once(self, folders: Folders) -> None:
        load = made(folders)
        new = [square(folders.source / "kind" / f"{name}.jpg") for name in "xy"]
        with sample_size(Size(SMALL, SMALL), Size(FULL, FULL)):
            with pytest.warns(
                UserWarning, match=r"x\.jpg: .*small has no copies of this"
            ):
                assert load(new[0]).width == SIDE // 4  # by open_image
            assert load(new[1]).width == SIDE // 4
        again = pickle.loads(pickle.dumps(load))
        crop = RandomResizedCropDecode(FULL, copies=again)
        with sample_size(Size(SMALL, SMALL), Size(FULL, FULL)):
            crop(new[1])  # told before it was pickled

    def test_an_image_too_small_for_copies_is_not(self, folders: Folders) -> None:
        tiny = folders.source / "kind" / "tiny.png"
        Image.new("RGB", (32, 32)).save(tiny)
        make(folders, sizes=[60], full=FULL)
        load = CopyLoader(*folders)
        with sample_size(Size(60, 60), Size(FULL, FULL)):
            assert load(tiny).size == (32, 32)


@pytest.mark.parametrize("loader", [RandomResizedCropDecode, ResizeDecode])
class TestOptionsThatDoNotFit:
    def test_turned_copies_in_a_loader_that_does_not_turn(
        self, loader: Any, folders: Folders
    ) -> None:
        made(folders)
        turned = CopyLoader(*folders, exif=True)
        with pytest.raises(ValueError, match="this loader does not: give exif=True to"):
            loader(FULL, copies=turned)
        loader(FULL, exif=True, copies=turned)
        loader(FULL, exif=True, copies=CopyLoader(*folders))

    @pytest.mark.parametrize("size", [65, (65, 80)])
    def test_a_full_size_above_the_copies(
        self, loader: Any, size: Any, folders: Folders
    ) -> None:
        load = made(folders, **RAW)
        with pytest.raises(
            ValueError, match=r"shorter side of 64 pixels, .* full_copy=65 or more"
        ):
            loader(size, copies=load)
        loader((64, 80), copies=load)
        loader(32, copies=load)


def test_copies_of_other_images_are_not_measured(folders: Folders) -> None:
    make(folders, sizes=[SMALL], full=FULL)
    other = folders.source.with_name("other")
    square(other / "b.jpg")
    plan = Ramp(final_size=FULL).plan(total_steps=9)
    with pytest.raises(
        ValueError, match=r"small: has no copies of the images in .*other"
    ):
        measure_loading(other, plan, images=1, turns=1, copies=folders.target)
