"""The image files of the demo, found and split before any is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from upsize._extras import require
from upsize.loading._images._files import SUFFIXES

__all__ = ["Files", "Sample", "cells", "find_cells", "find_folder"]

_VALIDATION_SHARE = 0.2
_CELLS = ("mono, sound", "mono, defective", "poly, sound", "poly, defective")


@dataclass(frozen=True)
class Sample:
    """An image file and its label."""

    path: Path
    label: int


@dataclass(frozen=True)
class Files:
    """The files of a classification task.

    Args:
        train: What is trained on.
        val: What the accuracy is measured on.
        classes: Name of each label.
        mode: Pillow's name of the colours, grey or RGB.
        rotate: Whether an image turned upside down or by a right angle is as good as
            any, as it is for solar cells.
    """

    train: Sequence[Sample]
    val: Sequence[Sample]
    classes: tuple[str, ...]
    mode: Literal["L", "RGB"]
    rotate: bool


def cells() -> Iterator[Sample]:
    """Yield the solar cells; a label is twice the type, plus one for a defect."""
    require("elpv_dataset", "demo", "The demo's photographs")
    import elpv_dataset

    root = Path(elpv_dataset.__file__).parent / "data"
    for line in (root / "labels.csv").read_text("utf-8").splitlines():
        name, probability, kind = line.split()
        defective = float(probability) >= 0.5
        yield Sample(root / name, 2 * (kind == "poly") + defective)


def find_cells(seed: int) -> Files:
    """Return the photographs of solar cells, a fifth of each class for validation.

    Args:
        seed: Draws the split.

    Raises:
        ImportError: Without the photographs: ``pip install "upsize[demo]"``.
    """
    samples = list(cells())
    generator = torch.Generator().manual_seed(seed)
    train: list[Sample] = []
    val: list[Sample] = []
    for label in range(len(_CELLS)):
        members = [sample for sample in samples if sample.label == label]
        order = torch.randperm(len(members), generator=generator).tolist()
        count = round(len(members) * _VALIDATION_SHARE)
        val += [members[number] for number in order[:count]]
        train += [members[number] for number in order[count:]]
    return Files(train, val, _CELLS, "L", rotate=True)


def _no_folder(path: Path) -> str:
    return f"{path}: {'is a file, not a folder' if path.exists() else 'no such folder'}"


def _folders(parent: Path) -> dict[str, list[Path]]:
    """Return the image files of each class folder, in order."""
    if not parent.is_dir():
        raise ValueError(
            f"{_no_folder(parent)}; the images belong into train/<class>/ and "
            "val/<class>/"
        )
    classes = {
        folder.name: sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
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


def find_folder(root: Path) -> Files:
    """Return the user's own images in ``train/<class>/`` and ``val/<class>/``.

    Args:
        root: The folder of the two.

    Raises:
        ValueError: When a folder is missing or empty, there are fewer than two
            classes, or the classes of ``val`` are not those of ``train``; names the
            path.
    """
    if not root.is_dir():
        raise ValueError(_no_folder(root))
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
    return Files(parts[0], parts[1], tuple(train), "RGB", rotate=False)
