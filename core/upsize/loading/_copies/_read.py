"""Read the smallest copy of an image that covers the sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from upsize.loading._context import SampleSize, current_size
from upsize.loading._copies._files import copy_name
from upsize.loading._copies._manifest import read_settings
from upsize.loading._copies._settings import CopySettings
from upsize.loading._images._decode import open_image
from upsize.loading._images._files import ImageFile, open_file
from upsize.schedule import Size

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CopyLoader", "original_size"]


def original_size(file: ImageFile, path: str) -> Size:
    """Return the size of the image that a copy was made of, turned as the copy is.

    Raises:
        ValueError: When the file is no copy; names the path.
    """
    height, _, width = file.comment.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ValueError(
            f"{path}: is no copy that upsize made: remove it, and make the copies again"
        )
    return file.turned(Size(int(height), int(width)))


@dataclass(frozen=True)
class CopyLoader:
    """Open images, at small sizes their small copies.

    A drop-in ``loader=`` for ``ImageFolder`` and its like: it is given the paths of the
    originals. In :func:`sized` it reads the smallest copy that covers the size of the
    sample; the original, by :func:`open_image`, at full size, outside of ``sized``, and
    where there is no such copy.

    Args:
        source: The folder of the originals.
        target: The folder of the copies, which :func:`small_copies` or ``upsize copies``
            has made.
        exif: Whether to turn images as their EXIF orientation says, which ImageFolder's
            loader does not.

    Raises:
        ValueError: When there are no copies; names the folder.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from upsize.loading import sample_size, small_copies
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "images").mkdir()
        >>> Image.new("RGB", (500, 375)).save(root / "images" / "a.png")
        >>> folders = root / "images", root / "small"
        >>> report = small_copies(*folders, sizes=[112], full=224, workers=0)
        >>> load = CopyLoader(*folders)
        >>> load(root / "images" / "a.png").size
        (500, 375)
        >>> with sample_size(Size(96, 96), full=Size(224, 224)):
        ...     load(root / "images" / "a.png").size
        (250, 188)
    """

    source: str | PathLike[str]
    target: str | PathLike[str]
    exif: bool = False
    _settings: CopySettings = field(init=False, repr=False, compare=False)
    _root: str = field(init=False, repr=False, compare=False)
    _folders: dict[Size, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        root = os.path.abspath(self.source)  # noqa: PTH100 - keeps links, as os.walk does
        set_field = object.__setattr__
        set_field(self, "target", Path(self.target))
        settings = read_settings(Path(self.target))
        folders = {size: f"{Path(self.target, str(size))}" for size in settings.sizes}
        set_field(self, "_settings", settings)
        set_field(self, "_folders", folders)
        set_field(self, "_root", os.path.join(root, ""))  # noqa: PTH118 - ends in "/"

    def paths(self, path: str | PathLike[str], sample: SampleSize) -> Iterator[str]:
        """Yield where the copies are that serve a sample, the smallest first.

        Args:
            path: The original, in the folder of the originals.
            sample: Size of the sample, and the full size. Other full sizes than that
                of the copies count in their ratio.

        Raises:
            ValueError: When the original lies elsewhere; names it.
        """
        whole = os.path.abspath(path)  # noqa: PTH100 - as above
        if not whole.startswith(self._root):
            raise ValueError(
                f"{path}: is not in {self.source}, of which these are the copies"
            )
        if sample.size == sample.full:
            return
        name = whole[len(self._root) :].replace(os.sep, "/")
        (height, width), (full_height, full_width) = self._settings.full, sample.full
        # Strings: making paths takes a tenth of the time that a small image does.
        for size, folder in self._folders.items():
            if (
                size.height * full_height >= sample.size.height * height
                and size.width * full_width >= sample.size.width * width
            ):
                yield f"{folder}{os.sep}{copy_name(name)}"

    def __call__(self, path: str | PathLike[str]) -> Image.Image:
        """Return the image as RGB, of the original's sides or of a copy's.

        Args:
            path: The original, in the folder of the originals.

        Raises:
            OSError: When there is no such file, or it must not be read.
            ValueError: When it is no image, is damaged, or lies in another folder;
                names the path.
        """
        sample = current_size()
        if sample is not None:
            for copy in self.paths(path, sample):
                try:
                    with open_file(copy, exif=self.exif) as file:
                        return file.rgb()
                except FileNotFoundError:
                    continue  # the original is hardly larger than the copy would be
        return open_image(path, exif=self.exif)
