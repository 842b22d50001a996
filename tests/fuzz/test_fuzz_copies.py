"""Stores with random contents: our own errors, nothing written elsewhere, and no hang."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.core.loading.copies import Folders, everything, make, opened, photograph
from typer.testing import CliRunner

from upsize.cli._app import app
from upsize.loading import CopyLoader, RandomResizedCropDecode, sample_size
from upsize.loading._copies._readers import close_reader
from upsize.loading._copies._records import (
    Encoding,
    copy_key,
    image_key,
    pack_copy,
    pack_image,
)
from upsize.loading._images._folder import Found
from upsize.schedule import Size

FULL = Size(112, 112)
SIZES = [Size(56, 56), Size(80, 80)]
NAMES = ["cat/a.jpg", "dog/b.png"]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"encoding": "raw"},
    {"encoding": "raw", "full_copy": 112},
]

# The images with their times, and the records of a store of their copies.
with tempfile.TemporaryDirectory() as root:
    model = Folders(Path(root, "images"), Path(root, "small"))
    IMAGES = {}
    for name in NAMES:
        path = photograph(model.source / name, 120, 90)
        IMAGES[name] = path.read_bytes(), path.stat().st_mtime_ns
    STORES: list[tuple[list[tuple[bytes, bytes]], dict[str, Any]]] = []
    for options in SETTINGS:
        make(model, sizes=SIZES, full=FULL, **options)
        close_reader(model.target)
        with opened(model.target) as store:
            pairs = [(bytes(key), bytes(value)) for key, value in store.cursor()]
        STORES.append((pairs, options))
    # Of all stores: the records of one may be found in another.
    VALUES = [value for pairs, _ in STORES for _, value in pairs]

parts = st.sampled_from(
    ["..", ".", "", "/", "cat", "a.jpg", "\0", "\\", "C:", "\udc80", "é", "x" * 200]
) | st.text(max_size=8)
names = st.lists(parts, max_size=5).map("/".join) | st.sampled_from(NAMES)
counts = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 90, 120, 2**32 - 1])


def noise(draw: st.DrawFn, value: bytes) -> bytes:
    """Change some bytes of a value, cut it, or give another one."""
    kind = draw(st.sampled_from(["bytes", "cut", "longer", "other"]))
    if kind == "other":
        return draw(st.binary(max_size=60) | st.sampled_from(VALUES))
    if kind == "cut":
        return value[: draw(st.integers(0, len(value)))]
    if kind == "longer":
        return value + draw(st.binary(max_size=40)) * draw(st.integers(1, 2000))
    changed = bytearray(value)
    for _ in range(draw(st.integers(1, 8))):
        if changed:
            # Most often where the header of a record or of an image is.
            at = draw(st.integers(0, min(40, len(changed) - 1)) | st.integers(0))
            changed[at % len(changed)] = draw(st.integers(0, 255))
    return bytes(changed)


class Records(dict[bytes, bytes]):
    """The records of a store; shown are those that upsize did not write."""

    def __init__(self, pairs: list[tuple[bytes, bytes]], options: dict[str, Any]):
        super().__init__(pairs)
        self.pairs, self.options = pairs, options

    def __repr__(self) -> str:
        new = {key: value[:80] for key, value in self.items() - set(self.pairs)}
        gone = [key for key, _ in self.pairs if key not in self]
        return f"{self.options}: {new}, without {gone}"


@st.composite
def records(draw: st.DrawFn) -> Records:
    """Give the records of a store, some of them changed, and some more."""
    pairs = Records(*draw(st.sampled_from(STORES)))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["value", "key", "drop", "image", "copy", "any"]))
        key = draw(st.sampled_from([key for key, _ in pairs.pairs]))
        if kind == "value":
            pairs[key] = noise(draw, pairs.get(key, b""))
        elif kind == "key":
            pairs[noise(draw, key)[:500]] = pairs.get(key, b"")
        elif kind == "drop":
            pairs.pop(key, None)
        elif kind == "any":
            pairs[draw(st.binary(min_size=1, max_size=500))] = draw(st.binary())
        else:
            add(draw, pairs, kind)
    pairs.pop(b"", None)  # LMDB has no such key
    return pairs


def add(draw: st.DrawFn, pairs: dict[bytes, bytes], kind: str) -> None:
    """Add an image under a hostile name, with a copy or without."""
    name = draw(names)
    try:
        identity = image_key(name)
    except UnicodeEncodeError:
        return
    changed = draw(st.integers(-(2**63), 2**63 - 1))
    pairs[identity] = pack_image(Found(name, draw(counts), changed))
    if kind == "copy":
        original = Size(draw(counts), draw(counts))
        encoding = draw(st.sampled_from(Encoding))
        data = draw(st.binary(max_size=30) | st.sampled_from([v[13:] for v in VALUES]))
        size = draw(st.sampled_from(SIZES))
        pairs[copy_key(size, name)] = pack_copy(encoding, original, data)


@contextmanager
def folders() -> Iterator[Folders]:
    """Give a folder of images and a target, beside something precious."""
    with tempfile.TemporaryDirectory() as root:
        both = Folders(Path(root, "room", "images"), Path(root, "room", "small"))
        Path(root, "precious.jpg").write_bytes(b"precious")
        for name, (content, changed) in IMAGES.items():
            path = both.source / name
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            os.utime(path, ns=(changed, changed))
        yield both
        close_reader(both.target)


def ours(act: Callable[[], Any]) -> None:
    """Accept what ``act`` does, or a refusal in a sentence; any other error fails."""
    refused: Exception | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            act()
        except (ValueError, OSError) as error:
            refused = error
    if refused is not None:
        assert type(refused) in (ValueError, OSError), repr(refused)
        assert re.match(r"/.*: [a-z]|[0-9]+ left out; ", str(refused)), repr(refused)
        assert len(str(refused)) < 3_000


def command(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, ["copies", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    # Not "Usage: ...", as for wrong options.
    assert result.exit_code == 0 or result.output.startswith("Error: /"), result.output


def read(both: Folders, *, full_copy: bool) -> None:
    load = CopyLoader(*both, full_copy=full_copy)
    crops = RandomResizedCropDecode(FULL, copies=load, output="tensor")
    for name in NAMES:
        for size in (*SIZES, FULL):
            with sample_size(size, FULL):
                assert load(both.source / name).mode == "RGB"
                assert crops(both.source / name).shape == (3, *size)


def use(both: Folders, options: dict[str, Any]) -> None:
    """Read, export, look and make again; nothing but the target and the export change."""
    look = both.target.with_name("look")
    sizes = ("--sizes", "56,80", "--full", "112", "--workers", "0")
    root = both.source.parent.parent

    def others() -> dict[str, bytes]:
        ends = ("room/small/", "room/look/")
        return {
            name: content
            for name, content in everything(root).items()
            if not name.startswith(ends)
        }

    before, target = others(), everything(both.target)
    ours(lambda: read(both, full_copy="full_copy" in options))
    ours(lambda: command(both.source, "--target", both.target, "--export", look))
    ours(lambda: command(both.source, *sizes, "--target", both.target, "--dry-run"))
    assert everything(both.target) == target
    ours(lambda: make(both, sizes=SIZES, full=FULL, **options))
    assert others() == before
    assert [path.name for path in both.target.iterdir()] == ["data.mdb"]


@given(records())
def test_records(pairs: Records) -> None:
    with folders() as both:
        with opened(both.target) as transaction:
            for key, value in pairs.items():
                transaction.put(key, value)
        use(both, pairs.options)
