"""Images that a stream holds as bytes, or in an open file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    ResizeDecode,
    open_image,
    sample_size,
    small_copies,
)
from upsize.schedule import Size

FILES: list[Any] = []
HALF, FULL = Size(32, 32), Size(64, 64)
SOURCES: dict[str, Callable[[Path], Any]] = {
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "a buffer": lambda path: io.BytesIO(path.read_bytes()),
    "an open file": lambda path: opened(path),
    # As HDF5, Zarr and torchvision's read_file give them.
    "an array": lambda path: np.frombuffer(path.read_bytes(), np.uint8),
    "every other byte": lambda path: np.repeat(
        np.frombuffer(path.read_bytes(), np.uint8), 2
    )[::2],
    "opaque bytes": lambda path: np.void(path.read_bytes()),
    "a tensor": lambda path: torch.frombuffer(
        bytearray(path.read_bytes()), dtype=torch.uint8
    ),
}


def opened(path: Path) -> Any:
    FILES.append(path.open("rb"))
    return FILES[-1]


@pytest.fixture(params=["jpg", "png"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / f"a.{request.param}"
    Image.effect_noise((100, 80), 60).convert("RGB").save(made)
    return made


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("full", [False, True])
def test_they_are_opened_as_their_file(path: Path, kind: str, full: bool) -> None:
    crop = RandomResizedCropDecode(64)

    def images(source: Callable[[], Any]) -> list[Any]:
        torch.manual_seed(0)
        with sample_size(FULL if full else HALF, FULL):
            return [
                np.asarray(load(given))
                for load in (open_image, crop)
                for given in [source()]
            ]

    expected, made = images(lambda: path), images(lambda: SOURCES[kind](path))
    assert all(map(np.array_equal, made, expected))
    while FILES:
        FILES.pop().close()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (b"no image", "the image of 8 bytes: cannot be read"),
        (io.BytesIO(b"no image"), "the image in a BytesIO: cannot be read"),
    ],
)
def test_what_is_no_image_is_named(source: Any, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        open_image(source)


def test_an_open_file_is_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with (
        (tmp_path / "bad.jpg").open("rb") as file,
        pytest.raises(ValueError, match=r"bad\.jpg: cannot be read"),
    ):
        open_image(file)


def test_copies_need_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.effect_noise((100, 80), 60).convert("RGB").save(folder / "a.jpg")
    small_copies(folder, tmp_path / "copies", sizes=[32], full=64, workers=0)
    crop = RandomResizedCropDecode(64, copies=CopyLoader(folder, tmp_path / "copies"))
    with (
        sample_size(HALF, FULL),
        pytest.raises(TypeError, match="give the loader a path"),
    ):
        crop((folder / "a.jpg").read_bytes())


@pytest.mark.parametrize(
    "source",
    [
        {"bytes": b"...", "path": None},  # of Hugging Face
        Image.new("RGB", (8, 8)),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros(8),
        torch.zeros(3, 8, 8),
        3,
        None,
        [b"..."],
    ],
    ids=lambda source: type(source).__name__,
)
def test_what_is_neither_file_nor_bytes_is_refused(source: Any) -> None:
    name = type(source).__name__
    for load in (open_image, RandomResizedCropDecode(64), ResizeDecode(64)):
        with pytest.raises(TypeError, match=f"open file, not a {name}: .*decode=False"):
            load(source)
