"""Read the smallest copy of an image that covers the sample."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from upsize.loading._context import SampleSize, current_size
from upsize.loading._copies._folder import no_copies
from upsize.loading._copies._records import unpack_copy
from upsize.loading._copies._settings import CopySettings, copy_size
from upsize.loading._copies._store import Reader, open_reader
from upsize.loading._images._decode import open_image
from upsize.loading._images._files import ImageFile
from upsize.loading._images._folder import shown
from upsize.schedule import Size

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CopyLoader", "OpenCopy"]


class OpenCopy(NamedTuple):
    """A copy whose header has been read, and its original's size, turned alike."""

    file: ImageFile
    original: Size


@dataclass(frozen=True)
class CopyLoader:
    """Open images, at small sizes their small copies.

    A drop-in ``loader=`` for ``ImageFolder`` and its like: it is given the paths of the
    originals. In :func:`sized` it reads the smallest copy that covers the size of the
    sample; the original, by :func:`open_image`, at full size, outside of ``sized``, and
    where there is no such copy. A copy that is damaged, or not as large as its original
    and the settings demand, is not used: you are warned, and get the original.

    Each process opens the store when it first reads, so a loader can be pickled, and
    used by workers that are forked or spawned. While a process reads, no other can
    change the store.

    Args:
        source: The folder of the originals.
        target: The folder of the copies, which :func:`small_copies` or ``upsize copies``
            has made. Only read, so it may lie on a read-only disk.
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
    _root: str = field(init=False, repr=False, compare=False)
    _reader: Reader | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        root = os.path.abspath(self.source)  # noqa: PTH100 - keeps links, as the listing does
        set_field = object.__setattr__
        # Workers may have another working directory.
        set_field(self, "target", Path(self.target).absolute())
        set_field(self, "_root", os.path.join(root, ""))  # noqa: PTH118 - ends in "/"
        set_field(self, "_reader", None)
        if open_reader(Path(self.target)).found is None:
            raise no_copies(Path(self.target))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_reader": None}

    @contextmanager
    def copies(
        self, path: str | PathLike[str], sample: SampleSize, *, exif: bool
    ) -> Iterator[Iterator[OpenCopy]]:
        """Give the copies that serve a sample, the smallest first.

        They must be decoded inside of the block: their bytes are not copied.

        Args:
            path: The original, in the folder of the originals.
            sample: Size of the sample, and the full size. Other full sizes than that
                of the copies count in their ratio.
            exif: Whether to turn them as their EXIF orientation says.

        Raises:
            ValueError: When the original lies elsewhere, or the store is damaged.
        """
        whole = os.path.abspath(path)  # noqa: PTH100 - as above
        if not whole.startswith(self._root):
            raise ValueError(
                f"{shown(path)}: is not in {shown(self.source)}, of which these are the copies"
            )
        if sample.size == sample.full:
            yield iter(())
            return
        name = whole[len(self._root) :].replace(os.sep, "/")
        reader = self._reader
        if reader is None or reader.closed or reader.pid != os.getpid():
            reader = open_reader(Path(self.target))
            object.__setattr__(self, "_reader", reader)
        settings = reader.settings
        with reader.get(name, _serving(settings, sample)) as found:
            yield self._opened(path, settings, found, exif=exif)

    def _opened(
        self,
        path: str | PathLike[str],
        settings: CopySettings,
        found: Iterator[tuple[Size, memoryview]],
        *,
        exif: bool,
    ) -> Iterator[OpenCopy]:
        for size, value in found:
            try:
                yield _open(f"the {size} copy of {path}", value, size, settings, exif)
            except ValueError as error:
                self.warn_unused(path, error)

    @staticmethod
    def warn_unused(path: str | PathLike[str], why: object) -> None:
        """Warn that a copy of an image is not used."""
        warnings.warn(
            f"{shown(path)}: its small copy is not used: {why}; make the copies again",
            stacklevel=2,
        )

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
            with self.copies(path, sample, exif=self.exif) as copies:
                for copy in copies:
                    try:
                        return copy.file.rgb()
                    except ValueError as error:
                        self.warn_unused(path, error)
        return open_image(path, exif=self.exif)


def _serving(settings: CopySettings, sample: SampleSize) -> Iterator[Size]:
    """Yield the sizes whose copies cover a sample."""
    (height, width), (full_height, full_width) = settings.full, sample.full
    for size in settings.sizes:
        if (
            size.height * full_height >= sample.size.height * height
            and size.width * full_width >= sample.size.width * width
        ):
            yield size


def _open(
    label: str, value: memoryview, size: Size, settings: CopySettings, exif: bool
) -> OpenCopy:
    """Read the header of a copy, and check what its record says of the original."""
    copy = unpack_copy(value)
    file = ImageFile(label, copy.data, exif=exif, formats=(copy.encoding.name,))
    if file.stored != copy_size(copy.original, size, settings):
        raise ValueError(
            f"it has {file.stored} pixels, which no copy of an original of "
            f"{copy.original} has"
        )
    return OpenCopy(file, file.turned(copy.original))
