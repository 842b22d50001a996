"""Read the smallest copy of an image that covers the sample."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from upsize.loading._context import SampleSize, current_size
from upsize.loading._copies._open import OpenCopy
from upsize.loading._copies._store import Reader, open_reader
from upsize.loading._images._decode import open_image
from upsize.loading._images._folder import shown
from upsize.schedule import Size

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CopiesOf", "CopyLoader"]

# In a path that is not as os.path.abspath writes it; of other systems it is any path.
_NOT_PLAIN = re.compile(r"/(?:[/.]|\Z)" if os.sep == "/" else "")


#: Finds the copies of an image by its path.
CopiesOf: TypeAlias = "Callable[[str | PathLike[str]], Iterator[OpenCopy]]"


@dataclass(frozen=True)
class CopyLoader:
    """Open images, at small sizes their small copies.

    A drop-in ``loader=`` for ``ImageFolder`` and its like: it is given the paths of the
    originals. In :func:`sized` it reads the smallest copy that covers the size of the
    sample; the original, by :func:`open_image`, at full size, outside of ``sized``, and
    where there is no such copy. A copy that is damaged, or not as large as its original
    and the settings demand, is not used: you are warned, and get the original.

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
        ValueError: When there are no copies, or ``full_copy`` is not as they were made;
            names the folder.

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

    def __post_init__(self) -> None:
        root = os.path.abspath(self.source)  # noqa: PTH100 - keeps links, as the listing does
        set_field = object.__setattr__
        # Workers may have another working directory.
        set_field(self, "target", Path(self.target).absolute())
        set_field(self, "_root", os.path.join(root, ""))  # noqa: PTH118 - ends in "/"
        set_field(self, "_reader", None)
        self._check(open_reader(Path(self.target)))

    def _check(self, reader: Reader) -> None:
        """Refuse copies that this loader does not fit."""
        made = reader.settings.full_copy is not None
        if made != self.full_copy:
            raise ValueError(
                f"{shown(self.target)}: these copies were made "
                f"{'with' if made else 'without'} full_copy, so CopyLoader needs "
                f"full_copy={made}, not {self.full_copy!r}; or make other copies"
            )

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

            def none(path: str | PathLike[str]) -> Iterator[OpenCopy]:
                self._name(path)
                return iter(())

            yield none
            return
        reader = self._reader
        if reader is None or reader.closed or reader.pid != os.getpid():
            reader = open_reader(Path(self.target))
            object.__setattr__(self, "_reader", reader)
        self._check(reader)
        sizes = reader.opener.serving.sizes(sample)
        with reader.begin() as transaction:
            yield partial(self._read, reader, transaction, sizes, exif)

    def _name(self, path: str | PathLike[str]) -> str:
        """Return the name that an original has in the store."""
        whole, root = os.fspath(path), self._root
        if not whole.startswith(root) or _NOT_PLAIN.search(whole):
            whole = os.path.abspath(whole)  # noqa: PTH100 - as above
            if not whole.startswith(root):
                raise ValueError(
                    f"{shown(path)}: is not in {shown(self.source)}, of which these are "
                    "the copies"
                )
        return whole[len(root) :].replace(os.sep, "/")

    def _read(
        self,
        reader: Reader,
        transaction: Any,
        sizes: tuple[Size, ...],
        exif: bool,
        path: str | PathLike[str],
    ) -> Iterator[OpenCopy]:
        name, opener = self._name(path), reader.opener
        for size in sizes:
            value = reader.get(transaction, name, size)
            if value is None:
                continue
            try:
                copy = opener.open(path, value, size, exif=exif)
            except ValueError as error:
                self.warn_unused(path, error)
            else:
                yield copy

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
        if sample is not None or self.full_copy:
            with self.reading(sample, exif=self.exif) as copies_of:
                for copy in copies_of(path):
                    try:
                        return copy.file.rgb()
                    except ValueError as error:
                        self.warn_unused(path, error)
        return open_image(path, exif=self.exif)
