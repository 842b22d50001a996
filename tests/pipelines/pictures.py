"""Pictures that say where each of their pixels comes from.

Red grows from left to right, green from top to bottom, and blue marks one object. So
an image tells, after any crop, flip or resize, how much of its picture it shows, and
where its mask, box and key point have to be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = [
    "BACKGROUND",
    "OBJECT",
    "STRIP",
    "box",
    "centre",
    "folder_of_files",
    "mask",
    "mask_pil",
    "pil",
    "pixels",
    "tensor",
]

# The labels of a mask; a blend of two would be another number.
BACKGROUND, OBJECT, STRIP = 0, 7, 200


def _edges(index: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the object of a picture: left, top, right, bottom."""
    shift = (index % 3) * width // 16
    left, top = width // 4 + shift, height // 4 + shift * height // width
    return left, top, left + width * 3 // 8, top + height * 7 // 16


def pixels(index: int, height: int = 64, width: int = 64) -> np.ndarray[Any, Any]:
    """Return a picture (height, width, 3) in uint8."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0] = ((np.arange(width) + 0.5) / width * 255)[None]
    image[..., 1] = ((np.arange(height) + 0.5) / height * 255)[:, None]
    left, top, right, bottom = _edges(index, height, width)
    image[top:bottom, left:right, 2] = 255
    return image


def pil(index: int, height: int = 64, width: int = 64) -> Image.Image:
    """Return a picture as Pillow has it."""
    return Image.fromarray(pixels(index, height, width))


def tensor(index: int, height: int = 64, width: int = 64) -> Tensor:
    """Return a picture (3, height, width) in float, from 0 to 1."""
    return torch.from_numpy(pixels(index, height, width)).permute(2, 0, 1) / 255


def mask(index: int, height: int = 64, width: int = 64) -> np.ndarray[Any, Any]:
    """Return the labels (height, width) of a picture in uint8."""
    labels = np.full((height, width), BACKGROUND, dtype=np.uint8)
    labels[height * 15 // 16 :] = STRIP
    left, top, right, bottom = _edges(index, height, width)
    labels[top:bottom, left:right] = OBJECT
    return labels


def mask_pil(index: int, height: int = 64, width: int = 64) -> Image.Image:
    """Return the labels of a picture as Pillow has them."""
    return Image.fromarray(mask(index, height, width))


def box(index: int, height: int = 64, width: int = 64) -> list[float]:
    """Return the object of a picture: left, top, right, bottom, in pixels."""
    return [float(edge) for edge in _edges(index, height, width)]


def centre(index: int, height: int = 64, width: int = 64) -> list[float]:
    """Return the middle of the object of a picture: x, y, in pixels."""
    left, top, right, bottom = _edges(index, height, width)
    return [(left + right) / 2, (top + bottom) / 2]


def folder_of_files(folder: Path, height: int = 80, width: int = 96) -> Path:
    """Write four pictures in two classes, once, and return their folder."""
    root = folder / f"classes-{height}x{width}"
    for index in range(4):
        file = root / ("cats" if index % 2 else "dogs") / f"{index}.png"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            pil(index, height, width).save(file)
    return root
