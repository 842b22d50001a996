"""Read the smallest copy of an image that covers the sample."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from upsize.loading._context import SampleSize, current_size
from upsize.loading._copies._open import OpenCopy
from upsize.loading._copies._readers import Reader, open_reader
from upsize.loading._copies._source import (
    check_full_copy,
    check_full_size,
    check_source,
    in_file_pixels,
    name_of,
    not_read,
    unknown_image,
)
from upsize.loading._images._decode import open_image
from upsize.loading._images._folder import shown
from upsize.loading._kept import KEPT
from upsize.loading._reduction import may_reduce
from upsize.schedule import Size
from upsize.schedule._warn import warn

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CopiesOf", "CopyLoader"]

#: Finds the copies of an image by its path.
CopiesOf: TypeAlias = "Callable[[str | PathLike[str]], Iterator[OpenCopy]]"


@dataclass(frozen=True)
class CopyLoader:
    """Open images, at small sizes their small copies.

    A drop-in ``loader=`` for ``ImageFolder`` and its like: it is given the paths of the
    originals. In :func:`sized` it reads the smallest copy that covers the size of the
    sample; the original, by :func:`open_image`, at full size, outside of ``sized``,
    where there is no such copy, and where something beside the image or a crop before
    the resize is in pixels of the file. A copy that is damaged, or not as large as its
    original and the settings demand, is not used: you are warned, and get the original.

    Copies that were made with ``full_copy`` take the place of the originals: with
    ``full_copy=True`` you read them at full size and outside of ``sized`` as well. Then
    images at full size are not bit for bit those of the originals. Give the dataset that
    you validate on a loader of its own where it must see the originals.

    Each process opens the store when it first reads, so a loader can be pickled, and
    used by workers that are forked or spawned. While a process reads, no other can
    change the store.

    Args:
        source: The folder of the originals.
        target: The folder of the copies, which :func:`small_copies` or ``upsize copies``
            has made. Only read, so it may lie on a read-only disk.
        exif: Whether to turn images as their EXIF orientation says, which ImageFolder's
            loader does not.
        full_copy: Whether to read copies at full size, too, which must have been made
            with ``full_copy``. Copies so made are read with it alone, as the small ones
            are no sharper than those which take the place of the originals.

    Raises:
        ValueError: When there are no copies, ``full_copy`` is not as they were made, or
            they were made of other images than ``source`` has; names the folder.

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
    full_copy: bool = False
    _root: str = field(init=False, repr=False, compare=False)
    _reader: Reader | None = field(init=False, repr=False, compare=False)
    _told: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        root = os.path.abspath(self.source)  # noqa: PTH100 - keeps links, as the listing does
        set_field = object.__setattr__
        # Workers may have another working directory.
        set_field(self, "target", Path(self.target).absolute())
        set_field(self, "_root", os.path.join(root, ""))  # noqa: PTH118 - ends in "/"
        set_field(self, "_reader", None)
        reader = open_reader(Path(self.target))
        check_full_copy(reader, self.full_copy)
        check_source(reader, Path(root))

    def check_full(self, size: Size) -> None:
        """Refuse a full size that copies in the place of the originals are too small for.

        Raises:
            ValueError: When their shorter side is below that of the size.
        """
        check_full_size(open_reader(Path(self.target)), size)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_reader": None}

    @contextmanager
    def reading(self, sample: SampleSize | None, *, exif: bool) -> Iterator[CopiesOf]:
        """Give what finds the copies of an image that serve a sample, the smallest first.

        They must be decoded inside of the block: their bytes are not copied.

        Args:
            sample: Size of the sample, and the full size; ``None``: full size. Other
                full sizes than that of the copies count in their ratio.
            exif: Whether to turn them as their EXIF orientation says.

        Raises:
            ValueError: When the store is damaged, or has been made again with or
                without ``full_copy``; later, when an original lies in another folder.
        """
        at_full = sample is None or sample.size == sample.full
        if at_full and not self.full_copy:
            yield partial(self._read, None, None, (), exif)
            return
        reader = self._reader
        if reader is None or reader.closed or reader.pid != os.getpid():
            reader = open_reader(Path(self.target))
            object.__setattr__(self, "_reader", reader)
        check_full_copy(reader, self.full_copy)
        sizes = reader.opener.serving.sizes(sample)
        with reader.begin() as transaction:
            yield partial(self._read, reader, transaction, sizes, exif)

    def _read(
        self,
        reader: Any,
        transaction: Any,
        sizes: tuple[Size, ...],
        exif: bool,
        path: str | PathLike[str],
    ) -> Iterator[OpenCopy]:
        name, missing = name_of(path, self._root), 0
        for size in sizes:
            value = reader.get(transaction, name, size)
            if value is None:
                missing += 1
                continue
            try:
                copy = reader.opener.open(path, value, size, exif=exif)
            except ValueError as error:
                self.warn_unused(path, error)
            else:
                yield copy
        if missing and missing == len(sizes) and not reader.has(transaction, name):
            self._tell_once(unknown_image(path, self.source, self.target))

    def _tell_once(self, message: str) -> None:
        """Warn once in a process."""
        if not self._told:
            object.__setattr__(self, "_told", True)
            warn(message)

    @staticmethod
    def warn_unused(path: str | PathLike[str], why: object) -> None:
        """Warn that a copy of an image is not used."""
        warnings.warn(
            f"{shown(path)}: its small copy is not used: {why}; make the copies again",
            stacklevel=2,
        )

    @overload
    def __call__(
        self, path: str | PathLike[str], *, return_scale: Literal[False] = False
    ) -> Image.Image: ...

    @overload
    def __call__(
        self, path: str | PathLike[str], *, return_scale: Literal[True]
    ) -> tuple[Image.Image, float]: ...

    def __call__(
        self, path: str | PathLike[str], *, return_scale: bool = False
    ) -> Image.Image | tuple[Image.Image, float]:
        """Return the image as RGB, of the original's sides or of a copy's.

        Args:
            path: The original, in the folder of the originals.
            return_scale: Whether to return the scale as well, and to read a copy
                whatever else is in the sample.

        Returns:
            The image. With ``return_scale``, the image and a number by which a position
            in the file is multiplied to get that in the image, to a pixel.

        Raises:
            OSError: When there is no such file, or it must not be read.
            ValueError: When it is no image, is damaged, or lies in another folder;
                or when a copy takes its place and samples turn out to have positions of
                the file; names the path.

        Warns:
            UserWarning: Once, when no copies are read, as samples have such positions.
        """
        image = self._copy(path, whatever=return_scale)
        if image is None:
            if return_scale:
                return open_image(path, exif=self.exif, return_scale=True)
            image = open_image(path, exif=self.exif)
        return (image, image.info["upsize_scale"]) if return_scale else image

    def _copy(self, path: str | PathLike[str], *, whatever: bool) -> Image.Image | None:
        """Return the copy of an image that fits the sample; ``None``: there is none."""
        sample = current_size()
        is_small = sample is not None and sample.size != sample.full
        if is_small and not whatever and not may_reduce():
            if self.full_copy:
                raise in_file_pixels(path)
            self._tell_once(not_read(self.target))
            return None
        if sample is None and not self.full_copy:
            return None
        with self.reading(sample, exif=self.exif) as copies_of:
            for copy in copies_of(path):
                try:
                    image = copy.file.rgb()
                except ValueError as error:
                    self.warn_unused(path, error)
                    continue
                image.info["upsize_scale"] = image.width / copy.original.width
                if is_small:
                    KEPT.add(image)
                return image
        return None
