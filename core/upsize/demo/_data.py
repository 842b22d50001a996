"""The photographs of the demo: decoded once, kept in memory as uint8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from upsize.demo._files import Files, find_cells

__all__ = [
    "Data",
    "LabelledImages",
    "Track",
    "check_memory",
    "decode",
    "load",
    "load_cells",
]

#: Called with the images to come and how many there are; passes them on one by one,
#: as a progress bar does.
Track = Callable[[Iterable[Tensor], int], Iterable[Tensor]]

_MOST_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class LabelledImages:
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

    train: LabelledImages
    val: LabelledImages
    classes: tuple[str, ...]
    rotate: bool


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
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: is not an image that Pillow can read") from error
    except Exception as error:  # Pillow's decoders raise errors of every kind
        raise ValueError(f"{path}: cannot be read as an image ({error})") from error
    if kind[0] in "IF":
        # Pillow would silently clip these to white.
        raise ValueError(
            f"{path}: has {kind!r} pixels: convert it to 8 bits per colour"
        )
    flat = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
    return flat.view(size, size, -1).permute(2, 0, 1)


def check_memory(count: int, size: int, channels: int) -> None:
    """Refuse images that would fill the memory.

    Args:
        count: How many images.
        size: Side of each in pixels.
        channels: Bytes of a pixel.

    Raises:
        ValueError: Above 4 GiB.
    """
    needed = count * size * size * channels
    if needed > _MOST_BYTES:
        raise ValueError(
            f"{count} images of {size}x{size} pixels take {needed / 1024**3:.1f} GiB of "
            f"memory, and the demo keeps at most {_MOST_BYTES / 1024**3:.0f} GiB: use a "
            "smaller size or fewer images"
        )


def load(files: Files, size: int, track: Track) -> Data:
    """Decode image files, several at a time.

    Args:
        files: The files with their labels.
        size: Side of the images in pixels: each is shrunk to cover it, and its centre
            is cropped.
        track: A progress bar for the decoding.

    Raises:
        ValueError: When an image cannot be read, or all do not fit into memory.
    """
    samples = [*files.train, *files.val]
    check_memory(len(samples), size, channels=1 if files.mode == "L" else 3)
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(
            lambda sample: decode(sample.path, size, files.mode), samples
        )
        images = torch.stack(list(track(decoded, len(samples))))
    labels = torch.tensor([sample.label for sample in samples])
    count = len(files.train)
    return Data(
        train=LabelledImages(images[:count], labels[:count]),
        val=LabelledImages(images[count:], labels[count:]),
        classes=files.classes,
        rotate=files.rotate,
    )


def load_cells(
    size: int, seed: int = 0, track: Track = lambda images, _: images
) -> Data:
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

    Example:
        >>> data = load_cells(16)
        >>> data.classes[0], tuple(data.train.images.shape), len(data.val)
        ('mono, sound', (2099, 1, 16, 16), 525)
    """
    return load(find_cells(seed), size, track)
