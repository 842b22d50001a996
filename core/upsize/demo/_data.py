"""The photographs of the demo: decoded once, kept in memory as uint8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image, ImageOps
from torch import Tensor

from upsize._extras import missing_extra
from upsize.loading._images._files import readable_suffixes

__all__ = [
    "Data",
    "Labelled",
    "Sample",
    "Track",
    "cells",
    "decode",
    "load_cells",
    "load_folder",
]

#: Called with the images to come and how many there are; passes them on one by one,
#: as a progress bar does.
Track = Callable[[Iterable[Tensor], int], Iterable[Tensor]]

_MOST_BYTES = 4 * 1024**3
_VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Labelled:
    """Images (N, C, H, W) as uint8 with their labels (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """A classification task.

    Args:
        train: What is trained on.
        val: What the accuracy is measured on.
        classes: Name of each label.
        rotate: Whether an image turned upside down or by a right angle is as good as
            any, as it is for solar cells.
    """

    train: Labelled
    val: Labelled
    classes: tuple[str, ...]
    rotate: bool


@dataclass(frozen=True)
class Sample:
    """An image file and its label."""

    path: Path
    label: int


def decode(path: Path, size: int, mode: Literal["L", "RGB"]) -> Tensor:
    """Read an image, shrink it to cover a square and crop its centre.

    Args:
        path: The file.
        size: Side of the square in pixels.
        mode: Pillow's name of the colours, grey or RGB.

    Returns:
        A uint8 tensor (C, size, size).

    Raises:
        ValueError: When it cannot be read, or has more than 8 bits per colour; names
            the file.
    """
    try:
        with Image.open(path) as image:
            kind = image.mode
            upright = ImageOps.exif_transpose(image).convert(mode)
            square = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
    except Exception as error:  # Pillow's decoders raise errors of every kind
        raise ValueError(f"{path}: cannot be read as an image ({error})") from error
    if kind[0] in "IF":
        # Pillow would clip these to white without a word.
        raise ValueError(
            f"{path}: has {kind!r} pixels: convert it to 8 bits per colour"
        )
    flat = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
    return flat.view(size, size, -1).permute(2, 0, 1)


def _load(
    samples: Sequence[Sample], size: int, mode: Literal["L", "RGB"], track: Track
) -> Labelled:
    """Decode the images of all samples, several at a time."""
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(lambda sample: decode(sample.path, size, mode), samples)
        images = torch.stack(list(track(decoded, len(samples))))
    return Labelled(images, torch.tensor([sample.label for sample in samples]))


def _check_memory(count: int, size: int, channels: int) -> None:
    needed = count * size * size * channels
    if needed > _MOST_BYTES:
        raise ValueError(
            f"{count} images of {size}x{size} pixels take {needed / 1024**3:.1f} GiB of "
            f"memory, and the demo keeps at most {_MOST_BYTES / 1024**3:.0f} GiB: use a "
            "smaller size or fewer images"
        )


def cells() -> Iterator[Sample]:
    """Yield the solar cells; a label is twice the type, plus one for a defect."""
    try:
        import elpv_dataset
    except ImportError as error:
        raise missing_extra("demo", "The demo's photographs") from error
    root = Path(elpv_dataset.__file__).parent / "data"
    for line in (root / "labels.csv").read_text("utf-8").splitlines():
        name, probability, kind = line.split()
        defective = float(probability) >= 0.5
        yield Sample(root / name, 2 * (kind == "poly") + defective)


def load_cells(size: int, seed: int, track: Track) -> Data:
    """Load the photographs of solar cells that the package elpv-dataset holds.

    2,624 grey images of 300 x 300 pixels in four classes: mono- or polycrystalline,
    sound or defective (a probability of a defect of 0.5 or more). A fifth of each
    class, drawn by the seed, is for validation.

    Args:
        size: Side of the images in pixels.
        seed: Draws the split.
        track: A progress bar for the decoding.

    Raises:
        ImportError: Without the photographs: ``pip install "upsize[demo]"``.
        ValueError: When the images do not fit into memory.
    """
    samples = list(cells())
    _check_memory(len(samples), size, channels=1)
    loaded = _load(samples, size, "L", track)
    generator = torch.Generator().manual_seed(seed)
    train, val = [], []
    for label in range(4):
        members = (loaded.labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        count = round(len(members) * _VALIDATION_SHARE)
        val.append(members[:count])
        train.append(members[count:])
    parts = [
        Labelled(loaded.images[indices], loaded.labels[indices])
        for indices in (torch.cat(train), torch.cat(val))
    ]
    return Data(
        train=parts[0],
        val=parts[1],
        classes=("mono, sound", "mono, defective", "poly, sound", "poly, defective"),
        rotate=True,
    )


def _folders(parent: Path) -> dict[str, list[Path]]:
    """Return the image files of each class folder, in order."""
    if not parent.is_dir():
        raise ValueError(
            f"{parent}: no such folder; the images belong into train/<class>/ and "
            "val/<class>/"
        )
    readable = readable_suffixes()
    classes = {
        folder.name: sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in readable and not path.name.startswith(".")
        )
        for folder in sorted(parent.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    }
    for name, paths in classes.items():
        if not paths:
            raise ValueError(
                f"{parent / name}: no image in this class folder; add some, or remove it"
            )
    return classes


def load_folder(root: Path, size: int, track: Track) -> Data:
    """Load the user's own images from ``train/<class>/`` and ``val/<class>/``.

    Args:
        root: The folder of the two.
        size: Side of the images in pixels: each is shrunk to cover it, and its centre
            is cropped.
        track: A progress bar for the decoding.

    Raises:
        ValueError: When a folder is missing or empty, there are fewer than two
            classes, the classes of ``val`` are not those of ``train``, an image cannot
            be read, or they do not fit into memory; names the path.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    train, val = _folders(root / "train"), _folders(root / "val")
    if len(train) < 2:
        raise ValueError(
            f"{root / 'train'}: needs a folder for each of at least two classes, and "
            f"has {len(train)}"
        )
    if not val:
        raise ValueError(f"{root / 'val'}: no class folders")
    if unknown := sorted(set(val) - set(train)):
        raise ValueError(
            f"{root / 'val' / unknown[0]}: no such class in {root / 'train'}, which has "
            f"{', '.join(train)}"
        )
    labels = {name: label for label, name in enumerate(train)}
    parts = [
        [Sample(path, labels[name]) for name, paths in part.items() for path in paths]
        for part in (train, val)
    ]
    _check_memory(sum(map(len, parts)), size, channels=3)
    return Data(
        train=_load(parts[0], size, "RGB", track),
        val=_load(parts[1], size, "RGB", track),
        classes=tuple(train),
        rotate=False,
    )
