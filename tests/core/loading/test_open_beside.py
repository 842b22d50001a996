"""What open_image gives where a sample has positions of the file beside the image."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.loading.smaller import samples
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import open_image, sample_size
from upsize.loading._positions import has_positions
from upsize.loading._reduction import Reduction
from upsize.schedule import Size

SIDE, FULL, SMALL = 256, 64, 16
BOX = [64, 64, 192, 192]  # of the white square in the file
POINTS = [[64.0, 64.0], [191.0, 191.0]]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A black image with a white square."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[64:192, 64:192] = 255
    to = tmp_path_factory.mktemp("images") / "kind" / "a.jpg"
    to.parent.mkdir()
    Image.fromarray(pixels).save(to, quality=95)
    return to


class Beside(Dataset[Any]):
    """Boxes, points or a mask in pixels of the file, with a joint transform."""

    def __init__(self, path: Path, target: str, **options: Any) -> None:
        self.path, self.target, self.options = path, target, options
        self.transforms = v2.Compose([v2.Resize((FULL, FULL)), v2.ToImage()])
        self.opened: list[int] = []

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        scale = 1.0
        if self.options:
            image, scale = open_image(self.path, return_scale=True)
        else:
            image = open_image(self.path)
        self.opened.append(image.width)
        canvas = image.height, image.width
        boxes = torch.tensor([BOX]) * scale
        made: Any
        if self.target == "boxes":
            made = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=canvas)
        elif self.target == "points":
            made = tv_tensors.KeyPoints(torch.tensor(POINTS), canvas_size=canvas)
        else:
            mask = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
            mask[64:192, 64:192] = 1
            made = tv_tensors.Mask(mask)
        return self.transforms(image, made)


def square(image: Any) -> list[int]:
    """Return the box of what is white in an image."""
    rows, columns = torch.where(torch.as_tensor(np.asarray(image))[0] > 127)
    return [*map(int, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))]


class TestPositionsOfTheFile:
    def test_boxes_stay_on_what_they_frame(self, path: Path) -> None:
        data = Beside(path, "boxes")
        for image, boxes in samples(data, SMALL, FULL):
            assert image.shape[-2:] == (SMALL, SMALL)
            assert boxes.canvas_size == (SMALL, SMALL)
            assert boxes[0].tolist() == square(image) == [4, 4, 12, 12]

    def test_points(self, path: Path) -> None:
        for image, points in samples(Beside(path, "points"), SMALL, FULL):
            left, top, right, bottom = square(image)
            assert points.round().tolist() == [[left, top], [right, bottom]]

    def test_masks(self, path: Path) -> None:
        for image, mask in samples(Beside(path, "mask"), SMALL, FULL):
            assert square(mask[None] * 255) == square(image)

    def test_whole_images_from_the_first_on(self, path: Path) -> None:
        data = Beside(path, "boxes")
        samples(data, SMALL, FULL)
        # The first batch is made twice, once to see what is in it.
        assert data.opened == [SIDE // 4, SIDE // 4, SIDE, SIDE]

    def test_the_scale_lets_them_be_reduced(self, path: Path) -> None:
        data = Beside(path, "boxes", return_scale=True)
        for image, boxes in samples(data, SMALL, FULL):
            assert boxes[0].tolist() == square(image)
        assert data.opened == [SIDE // 4, SIDE // 4]

    def test_random_numbers_are_those_of_one_sample(self, path: Path) -> None:
        class Drawn(Beside):
            def __getitem__(self, index: int) -> Any:
                drawn = [torch.rand(()).item(), random.random(), np.random.rand()]  # noqa: NPY002
                return super().__getitem__(index), drawn

        def drawn(data: Any) -> list[Any]:
            random.seed(1)
            np.random.seed(1)  # noqa: NPY002
            return [numbers for _, numbers in samples(data, SMALL, FULL)]

        plain = drawn(Drawn(path, "boxes", return_scale=True))
        assert drawn(Drawn(path, "boxes")) == plain

    def test_without_numpy(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def make() -> list[Any]:
            image = open_image(path)
            return [image, {"boxes": [[image.width, 0, 1, 1]]}]

        monkeypatch.setitem(sys.modules, "numpy", None)
        with sample_size(Size(SMALL, SMALL), Size(FULL, FULL)):
            _, target = Reduction().samples(make, whole=False)
        assert target == {"boxes": [[SIDE, 0, 1, 1]]}


class TestNothingBeside:
    def test_classes_are_reduced(self, path: Path) -> None:
        opened = []

        def load(name: str) -> Image.Image:
            image = open_image(name)
            opened.append((image.width, image.info["upsize_scale"]))
            return image

        data = ImageFolder(path.parents[1], v2.Resize((FULL, FULL)), loader=load)
        samples(data, SMALL, FULL)
        assert opened == [(SIDE // 4, 0.25)]

    def test_not_before_a_crop_in_pixels_of_the_file(self, path: Path) -> None:
        crop = v2.Compose([v2.CenterCrop(128), v2.Resize((FULL, FULL)), v2.ToImage()])
        data = ImageFolder(path.parents[1], crop, loader=open_image)
        ((image, _),) = samples(data, SMALL, FULL)
        assert image.float().mean() > 250  # the white square alone, all of it

    def test_set_size_is_looked_at_as_well(self, path: Path) -> None:
        from upsize.loading._maker import SampleMaker

        data = Beside(path, "boxes")
        sides = []
        maker = SampleMaker(data, lambda _, size: sides.append(size.width))
        size, full = Size(SMALL, SMALL), Size(FULL, FULL)
        with sample_size(size, full):
            _, boxes = maker.samples(lambda: data[0], size, full)
        assert boxes[0].tolist() == [16, 16, 48, 48]
        assert sides == [SMALL, FULL]


@dataclass
class Record:
    image: Any
    boxes: Any


IMAGE = torch.rand(3, 16, 16)
PIL = Image.new("RGB", (16, 16))


@pytest.mark.parametrize(
    "sample",
    [
        (IMAGE, 3),
        (IMAGE, torch.tensor(3)),
        (IMAGE, torch.tensor([3])),
        (IMAGE, torch.tensor([0.1, 0.9])),
        (IMAGE, torch.tensor([0.0, 1.0, 1.0])),
        {"image": PIL, "x": "text", "top": 3},
        {"image": PIL, "name": "a.jpg", "label": [0, 1, 1], "none": None},
        [IMAGE, IMAGE],
        (np.zeros((16, 16, 3), np.uint8), "dog"),
        (torch.rand(1, 16, 16), 3),
        (torch.rand(16, 16), 3),
        (Image.new("L", (16, 16)), True),
        (IMAGE, np.array(["a", "b"])),
        Record(IMAGE, None),
        (),
    ],
)
def test_samples_without_positions(sample: Any) -> None:
    assert not has_positions(sample)


@pytest.mark.parametrize(
    "sample",
    [
        (IMAGE, tv_tensors.Mask(torch.zeros(16, 16))),
        (IMAGE, {"boxes": torch.rand(2, 4)}),
        (IMAGE, {"boxes": torch.zeros(0, 4)}),
        (IMAGE, [1.0, 2.0, 8.0, 9.0]),
        (IMAGE, [[1, 2, 8, 9]]),
        (IMAGE, np.array([1.0, 2.0, 8.0, 9.0])),
        (IMAGE, torch.tensor([0.1, 0.1, 0.4, 0.8])),  # shares of the image
        {"image": PIL, "x": 3, "y": 12},
        (PIL, Image.new("L", (16, 16))),
        (IMAGE, torch.zeros(16, 16, dtype=torch.long)),
        (IMAGE, torch.zeros(1, 16, 16)),
        Record(IMAGE, torch.rand(2, 4)),
        (IMAGE, torch.rand(17, 3)),
    ],
)
def test_samples_with_positions(sample: Any) -> None:
    assert has_positions(sample)
