"""Write the copies of a store as files, to look at them."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path, PurePosixPath, PureWindowsPath

from upsize.loading._copies._folder import check_apart
from upsize.loading._copies._raw import RawImage, read_shape
from upsize.loading._copies._readers import open_reader
from upsize.loading._copies._records import Encoding, unpack_copy
from upsize.loading._images._folder import shown

__all__ = ["export_copies"]

_SUFFIXES = {
    Encoding.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    Encoding.PNG: (".png",),
    Encoding.RAW: (".png",),
}


def export_copies(target: str | PathLike[str], folder: str | PathLike[str]) -> int:
    """Write all copies in a store as files into an empty folder, to look at them.

    They lie in folders named by the size of the samples, under the names of the images.
    Where the name of an image does not fit the copy, as a.webp does not fit a PNG,
    ``.png`` or ``.jpg`` is added. Raw copies are written as PNG.
    :class:`CopyLoader` does not read them.

    Args:
        target: The folder of the copies.
        folder: Where to write; made when it does not exist.

    Returns:
        How many files were written.

    Raises:
        ValueError: When there are no copies, ``folder`` is not empty or overlaps with
            ``target``, or the store has a name that is not a path inside of a folder:
            then nothing is written.
        OSError: When a file cannot be written.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from upsize.loading import small_copies
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "images").mkdir()
        >>> Image.new("RGB", (500, 375)).save(root / "images" / "a.jpg")
        >>> small = root / "small"
        >>> report = small_copies(root / "images", small, sizes=[112], full=224, workers=0)
        >>> export_copies(small, root / "look")
        1
        >>> with Image.open(root / "look" / "112x112" / "a.jpg") as image:
        ...     image.size
        (250, 188)
    """
    target, folder = Path(target), Path(folder)
    check_apart(target, folder, "the folder to export to")
    reader = open_reader(target)
    sizes, names = reader.settings.served, list(reader.images())
    for name in names:
        _check_name(name, target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        empty = next(folder.iterdir(), None) is None
    except OSError as error:
        raise OSError(
            f"{shown(folder)}: cannot export to this folder ({error.strerror})"
        ) from error
    if not empty:
        raise ValueError(f"{shown(folder)}: is not empty: export to a new folder")
    count = 0
    for name in sorted(names):
        with reader.begin() as transaction:
            for size in sizes:
                value = reader.get(transaction, name, size)
                if value is None:
                    continue
                try:
                    copy = unpack_copy(value)
                    data: bytes | memoryview = copy.data
                    if copy.encoding is Encoding.RAW:
                        data = RawImage(copy.data, read_shape(copy.data)).png()
                except ValueError as error:
                    raise ValueError(
                        f"{shown(target)}: {shown(name)}: {error}"
                    ) from error
                _write(folder / str(size) / name, copy.encoding, data)
                count += 1
    return count


def _check_name(name: str, target: Path) -> None:
    """Refuse a name that could lead out of the folder that it is written to."""
    parts = name.split("/")
    on_windows = PureWindowsPath(name) if os.name == "nt" else PurePosixPath()
    if (
        "\0" in name
        or {"", ".", ".."} & {*parts}
        or on_windows.anchor
        or ":" in str(on_windows)
        or ".." in on_windows.parts
    ):
        raise ValueError(
            f"{shown(target)}: has a copy named {ascii(name)[:200]}, which is not a path "
            "inside of a folder: upsize did not make these copies; nothing was exported"
        )


def _write(path: Path, encoding: Encoding, data: bytes | memoryview) -> None:
    """Write a new file; another name is found where there is one already."""
    if path.suffix.lower() not in _SUFFIXES[encoding]:
        path = path.with_name(path.name + _SUFFIXES[encoding][0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                with path.open("xb") as file:
                    file.write(data)
            except FileExistsError:  # a.webp and a.webp.png
                path = path.with_name(path.name + _SUFFIXES[encoding][0])
            else:
                return
    except OSError as error:
        raise OSError(f"{shown(path)}: cannot be written ({error.strerror})") from error
