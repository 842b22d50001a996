"""The files of small copies: their names, what is in them, and how they are made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import IO, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from upsize.loading._copies._settings import CopySettings, copy_size
from upsize.loading._images._decode import largest_reduction
from upsize.loading._images._files import (
    ORIENTATION,
    ImageFile,
    open_file,
    readable_suffixes,
)
from upsize.schedule import Size

__all__ = [
    "PART",
    "Made",
    "Source",
    "copy_path",
    "encode",
    "image_files",
    "make_copies",
]

#: Ending of a file that is being written: no image, whoever looks.
PART = ".part"
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")


class Source(NamedTuple):
    """An image to copy: its path below the folder, and its state on the disk."""

    name: str
    bytes: int
    changed: int


class Made(NamedTuple):
    """An image whose copies are made: its source, and the bytes of each copy.

    0 bytes: there is none, since the original is hardly larger.
    """

    name: str
    bytes: int
    changed: int
    copies: tuple[int, ...]


def image_files(root: Path) -> Iterator[Source]:
    """Yield the images below a folder in order, as ImageFolder follows links."""
    readable = readable_suffixes()
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if PurePath(name).suffix.lower() in readable and not name.startswith("."):
                path = Path(folder, name)
                state = path.stat()
                relative = path.relative_to(root).as_posix()
                yield Source(relative, state.st_size, state.st_mtime_ns)


def copy_name(name: str) -> str:
    """Return what the copy of an image is called: its format is told by the ending.

    Example:
        >>> copy_name("cat/a.jpg"), copy_name("cat/a.webp")
        ('cat/a.jpg', 'cat/a.webp.copy.png')
    """
    keep = name.lower().endswith((*_JPEG, ".png"))
    return name if keep else f"{name}.copy.png"


def copy_path(target: Path, size: Size, name: str) -> Path:
    """Return where the copy of an image for samples of a size is.

    Example:
        >>> copy_path(Path("small"), Size(112, 112), "cat/a.jpg").as_posix()
        'small/112x112/cat/a.jpg'
    """
    return target / str(size) / copy_name(name)


def _shrink(file: ImageFile, size: Size) -> Image.Image:
    """Decode an image and shrink it; grey stays grey."""
    reduction = 1
    if file.reducible:
        # Twice as large as the copy, so that the resampling still decides.
        reduction = largest_reduction(file.size, (2 * size.height, 2 * size.width))
    image = file.rgb(reduction)
    if file.grey:
        image = image.convert("L")
    return image.resize((size.width, size.height), Image.Resampling.LANCZOS)


def encode(file: ImageFile, size: Size, name: str, quality: int, to: IO[bytes]) -> None:
    """Write the copy of an image.

    It keeps the EXIF orientation, and has the original's size as its comment.

    Args:
        file: The original, not turned.
        size: Of the copy.
        name: The original's path: a .jpg becomes a JPEG, all else a PNG, without loss.
        quality: Of the JPEG.
        to: Open for writing bytes.
    """
    image = _shrink(file, size)
    exif = Image.Exif()
    if file.orientation != 1:
        exif[ORIENTATION] = file.orientation
    note = f"{file.size}"
    if name.lower().endswith(_JPEG):
        image.save(to, "JPEG", quality=quality, comment=note, exif=exif)
    else:
        text = PngInfo()
        text.add_text("comment", note)
        image.save(to, "PNG", pnginfo=text, exif=exif)


def make_copies(
    source: Path, target: Path, settings: CopySettings, image: Source
) -> Made | str:
    """Make all copies of an image, each in one step from not there to whole.

    A copy is written under another name in its folder and then renamed. Runs in worker
    processes, which send back what happened.

    Returns:
        What was made, or what is wrong with the image.
    """
    sizes = []
    try:
        with open_file(source / image.name) as file:
            for size in settings.sizes:
                path = copy_path(target, size, image.name)
                small = copy_size(file.size, size, settings)
                if small is None:
                    path.unlink(missing_ok=True)  # of an earlier, larger original
                    sizes.append(0)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
                try:
                    with part.open("wb") as to:
                        encode(file, small, image.name, settings.quality, to)
                        sizes.append(to.tell())
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)  # there only after an error
    except ValueError as error:
        return str(error)
    return Made(*image, tuple(sizes))
