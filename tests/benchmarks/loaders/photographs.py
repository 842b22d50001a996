"""The photographs: those of elpv-dataset as JPEG files of two kinds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from upsize.demo._files import cells

__all__ = ["KINDS", "Photographs", "write"]


@dataclass(frozen=True)
class Kind:
    """What the files of a set are like: width and height in pixels, quality of JPEG."""

    sides: tuple[int, int]
    quality: int


#: Small files as of a data set that was made small before, and those of ImageNet's size.
KINDS = {"easy": Kind((348, 348), 75), "hard": Kind((500, 375), 90)}


@dataclass(frozen=True)
class Photographs:
    """A folder of photographs, with a folder for each class.

    Args:
        name: A key of :data:`KINDS`.
        folder: As ImageFolder reads it.
    """

    name: str
    folder: Path

    @cached_property
    def paths(self) -> list[str]:
        return sorted(map(str, self.folder.rglob("*.jpg")))

    @property
    def bytes(self) -> int:
        return sum(Path(path).stat().st_size for path in self.paths)


def write(root: Path, name: str, count: int) -> Photographs:
    """Write the first photographs of both classes as RGB JPEG files, unless they are there.

    Args:
        root: A folder of theirs is made here.
        name: A key of :data:`KINDS`.
        count: How many.
    """
    kind = KINDS[name]
    folder = root / f"{name}-{count}"
    done = folder.with_suffix(".done")
    if not done.exists():
        for sample in itertools.islice(cells(), count):
            path = folder / f"{sample.label}" / f"{sample.path.stem}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(sample.path) as image:
                large = image.convert("RGB").resize(
                    kind.sides, Image.Resampling.BICUBIC
                )
                large.save(path, quality=kind.quality)
        done.touch()
    return Photographs(name, folder)
