"""Folders of images with their small copies, and what is in a store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lmdb
import numpy as np
from PIL import Image

from upsize.loading import CopiesReport, export_copies, small_copies
from upsize.loading._copies._records import pack_copy, unpack_copy
from upsize.schedule import Size

FULL = Size(224, 224)


class Folders(NamedTuple):
    source: Path
    target: Path


def photograph(path: Path, width: int = 500, height: int = 375, **options: Any) -> Path:
    rng = np.random.default_rng(len(path.name))
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1) / 2
    noise = rng.integers(0, 60, pixels.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels + noise).astype(np.uint8)).save(path, **options)
    return path


def make(folders: Folders, **options: Any) -> CopiesReport:
    fields = {"sizes": [112, 168], "full": 224, "workers": 0} | options
    return small_copies(*folders, **fields)


def exported(target: Path) -> dict[str, bytes]:
    """Every copy in a store, by the name that it is exported under."""
    with tempfile.TemporaryDirectory() as name:
        look = Path(name, "look")
        count = export_copies(target, look)
        files = everything(look)
        assert len(files) == count
    return files


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def opened(target: Path) -> Iterator[Any]:
    """A transaction on a store, behind the back of upsize."""
    target.mkdir(exist_ok=True)
    with (
        lmdb.open(str(target), lock=False, map_size=1 << 26) as store,
        store.begin(write=True) as transaction,
    ):
        yield transaction


def shorter(value: bytes, count: int) -> bytes:
    """A record of a copy whose image lacks its last bytes."""
    copy = unpack_copy(memoryview(value))
    data = bytes(copy.data)
    return pack_copy(copy.encoding, copy.original, data[: max(0, len(data) - count)])
