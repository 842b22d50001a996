"""Images that are resized and cut as they are decoded: torchvision's to the pixel."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.loading.copies import photograph
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader
from torchvision.transforms import InterpolationMode, v2

from upsize.loading import (
    CopyLoader,
    ResizeDecode,
    sample_size,
    sized,
    small_copies,
)
from upsize.loading._images._files import ImageFile
from upsize.schedule import Ramp, Size

FULL = Size(64, 64)
SIZES: list[Any] = [
    (72, 64),
    (72, (64, 40)),
    ((70, 90), 64),
    ((64, 64), None),
    (64, None),
]


def at(side: int) -> Any:
    return sample_size(Size(side, side), FULL)


def expected(image: Any, size: Any, crop: Any, mode: str = "bilinear") -> Any:
    """What torchvision makes of an image."""
    steps: list[Any] = [v2.Resize(size, InterpolationMode(mode))]
    return v2.Compose([*steps, *([v2.CenterCrop(crop)] if crop else [])])(image)


@pytest.mark.parametrize(("size", "crop"), SIZES)
@pytest.mark.parametrize("sides", [(90, 121), (121, 90), (80, 80), (30, 47)])
@pytest.mark.parametrize("output", ["pil", "tensor"])
def test_equal_to_the_pixel_when_decoded_in_full(
    output: Any, sides: Any, size: Any, crop: Any, tmp_path: Path
) -> None:
    path = photograph(tmp_path / "a.png", *sides)
    image = default_loader(str(path))
    if output == "tensor":
        image = v2.functional.pil_to_tensor(image)
    for mode in ("bilinear", "bicubic", "lanczos"):
        if (output, mode) == ("tensor", "lanczos"):
            continue
        load = ResizeDecode(size, crop, interpolation=mode, output=output)
        made, whole = load(path), expected(image, size, crop, mode)
        assert np.array_equal(np.asarray(made), np.asarray(whole))
    if output == "tensor":
        assert made.is_contiguous()  # type: ignore[union-attr]


@pytest.mark.parametrize("output", ["pil", "tensor"])
@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize(("size", "crop"), SIZES)
def test_the_same_places_when_decoded_reduced(
    size: Any, crop: Any, copied: bool, output: Any, tmp_path: Path
) -> None:
    y, x = np.mgrid[0:377, 0:501]
    waves = [np.sin(x / 23), np.cos(y / 31), np.sin((x + y) / 17)]
    pixels = np.stack([127 + 120 * wave for wave in waves], axis=-1).astype(np.uint8)
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "a.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    copies = None
    if copied:
        folders = tmp_path / "images", tmp_path / "small"
        small_copies(*folders, sizes=[32], full=64, workers=0, quality=95)
        copies = CopyLoader(*folders)
    load = ResizeDecode(size, crop, output=output, copies=copies)
    for side in (64, 32):
        with at(side):
            made = load(path)
        if output == "tensor":
            made = v2.functional.to_pil_image(made)
        at_half = [
            tuple(each // 2 for each in value)
            if isinstance(value, tuple)
            else value // 2
            for value in (size, crop or 64)
        ]
        steps = at_half if side == 32 else [size, crop or 64]
        whole = expected(default_loader(str(path)), steps[0], crop and steps[1])
        assert made.size == whole.size
        difference = np.asarray(made, int) - np.asarray(whole, int)
        # A tensor begins at a whole pixel of what is decoded.
        assert np.abs(difference).mean() < (12 if output == "tensor" else 2.5)


def test_no_more_is_decoded_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    decode = ImageFile.rgb

    def rgb(self: ImageFile, reduction: int = 1, **options: Any) -> Image.Image:
        seen.append(reduction)
        return decode(self, reduction, **options)

    monkeypatch.setattr(ImageFile, "rgb", rgb)
    path = photograph(tmp_path / "a.jpg", 300, 200)
    small = photograph(tmp_path / "b.jpg", 80, 60)
    for sharp in (True, False):
        load = ResizeDecode(72, 64, sharp=sharp)
        for source in (path, small):
            for side in (64, 32):
                with at(side):
                    load(source)
        load(path)
    assert seen == [2, 4, 1, 1, 2, 2, 4, 1, 2, 2]


def test_bytes_and_open_files(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.jpg", 100, 80)
    load = ResizeDecode(64)
    with path.open("rb") as file:
        for source in (path.read_bytes(), file):
            assert np.array_equal(np.asarray(load(source)), np.asarray(load(path)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "must be pixels"),
        ({"crop": 0}, "must be pixels"),
        ({"crop": 80}, "crop must be at most size, which is 72, not 80"),
        ({"size": (70, 90), "crop": (64, 91)}, r"crop must be at most size"),
        ({"interpolation": "cubic"}, "interpolation must be one of nearest"),
        ({"output": "numpy"}, "output must be 'pil' or 'tensor'"),
    ],
)
def test_bad_fields(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResizeDecode(**({"size": 72} | fields))


def test_it_compares_and_travels_to_workers() -> None:
    load = ResizeDecode([72, 80], 64)  # type: ignore[arg-type]
    assert load == ResizeDecode((72, 80), (64, 64))
    assert pickle.loads(pickle.dumps(load)) == load


@pytest.mark.parametrize("output", ["pil", "tensor"])
def test_a_sized_loader(output: Any, tmp_path: Path) -> None:
    for number in range(16):
        photograph(tmp_path / "a" / f"{number}.jpg", 100, 80)
    load: Any = ResizeDecode(72, crop=64, output=output)
    data = ImageFolder(str(tmp_path), v2.PILToTensor(), loader=load)
    plan = Ramp(final_size=64).plan(total_steps=8)
    sizes = [images.shape[-2:] for images, _ in sized(DataLoader(data, 2), plan)]
    assert sizes == [plan.size_at(step) for step in range(8)]
    assert sizes[0] != sizes[-1]
    other = ImageFolder(str(tmp_path), v2.PILToTensor(), loader=ResizeDecode(56))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"ResizeDecode\.size=56"):
        sized(DataLoader(other, 2), plan)


def test_grey_and_deep_images_are_those_of_torchvision(tmp_path: Path) -> None:
    """RGB, as ImageFolder's loader makes them."""
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (80, 90), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 400, (80, 90), dtype=np.uint16))
    for name, image in (("a.png", grey), ("b.jpg", grey), ("c.png", deep)):
        path = tmp_path / name
        image.save(path)
        tensor = v2.functional.pil_to_tensor(default_loader(str(path)))
        made = ResizeDecode(64, output="tensor")(path)
        assert torch.equal(made, expected(tensor, 64, None))  # type: ignore[arg-type]
