"""One odd file or link among images stops nothing: all others are copied, it is named."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.core.loading.copies import Folders, exported, make, photograph

from upsize.loading._copies import _job
from upsize.loading._copies._make import make_copies
from upsize.loading._copies._settings import CopySettings
from upsize.loading._images import _folder
from upsize.loading._images._folder import Found, LeftOut, list_images
from upsize.schedule import Size

SETTINGS = CopySettings((Size(112, 112),), Size(224, 224), 0.08, 90)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("cat/a.jpg", "dog/b.png"):
        photograph(tmp_path / "images" / name)
    return Folders(tmp_path / "images", tmp_path / "small")


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # their names are short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _truncated(path: Path) -> None:
    photograph(path)
    path.write_bytes(path.read_bytes()[:-500])


ODD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "dangling link": (lambda p: p.symlink_to("nothing"), "this link leads to nothing"),
    "looping link": (_loop, "cannot be opened (Too many levels of symbolic links)"),
    "named pipe": (os.mkfifo, "is a named pipe, not an image file"),
    "link to a pipe": (
        lambda p: (os.mkfifo(p.parent / "pipe"), p.symlink_to("pipe")),
        "is a named pipe, not an image file",
    ),
    "socket": (_socket, "is a socket, not an image file"),
    "device": (lambda p: p.symlink_to("/dev/zero"), "is a device, not an image file"),
    "truncated": (_truncated, "cannot be read as an image"),
    "text": (lambda p: p.write_text("no image"), "cannot be read as an image"),
    "nothing": (lambda p: p.write_bytes(b""), "cannot be read as an image"),
    "PostScript": (
        lambda p: p.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "cannot be read as an image",
    ),
}


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_each_is_named_after_all_others_are_made(folders: Folders, suffix: str) -> None:
    for name, (place, _) in ODD.items():
        (folders.source / name).mkdir()
        place(folders.source / name / f"odd{suffix}")
    with pytest.raises(ValueError, match=r"^\d+ left out; 2 images have") as caught:
        make(folders)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith(f"{len(ODD)} left out; 2 images have their copies.")
    for name, (_, why) in ODD.items():
        (line,) = (line for line in lines if f"{name}/odd{suffix}: " in line)
        assert why in line
    assert len(lines) == len(ODD)
    assert len(exported(folders.target)) == 4
    with pytest.raises(ValueError, match="left out"):  # again, with nothing to make
        make(folders)


def test_many_are_counted(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_job, "_NAMED", 2)
    for number in range(5):
        (folders.source / f"{number}.jpg").write_text("no image")
    with pytest.raises(ValueError, match="5 left out") as caught:
        make(folders)
    assert str(caught.value).count("cannot be read") == 2
    assert str(caught.value).endswith("\nand 3 more")


def test_a_wide_png_is_copied(folders: Folders) -> None:
    """JPEG ends at 65,500 pixels; the copy of a PNG is a PNG."""
    Image.new("L", (70_000, 40)).save(folders.source / "wide.png")
    Image.new("L", (140_000, 40)).save(folders.source / "wider.png")
    Image.new("RGB", (300, 66_000), "red").save(folders.source / "high.tif")
    assert make(folders, sizes=[112]).made == 5


def test_what_changes_while_it_is_copied(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list_images(folders.source)
    (folders.source / "cat" / "a.jpg").unlink()
    (folders.source / "dog" / "b.png").unlink()
    os.mkfifo(folders.source / "dog" / "b.png")  # would hang whoever opens it
    photograph(folders.source / "c.jpg")
    listed.images["c.jpg"] = Found("c.jpg", 1, 1)
    monkeypatch.setattr(_job, "list_images", lambda source: listed)
    with pytest.raises(ValueError, match="2 left out; 1 images have") as caught:
        make(folders)
    assert "a.jpg: cannot be copied (No such file or directory)" in str(caught.value)
    assert "b.png: is a named pipe" in str(caught.value)
    monkeypatch.undo()
    (folders.source / "dog" / "b.png").unlink()
    assert make(folders).kept == 1  # of the state that was read, not the one listed


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (MemoryError(), "MemoryError"),
        (RecursionError("deep"), "deep"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_errors_of_every_kind(
    folders: Folders, error: Exception, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "resize", fail)
    (image, _) = list_images(folders.source).images.values()
    failed = make_copies(folders.source, SETTINGS, image)
    assert isinstance(failed, LeftOut)
    assert failed.why.endswith(f"a.jpg: cannot be copied ({why})")


class TestLinks:
    @pytest.mark.parametrize("count", [1, 2])
    def test_a_loop_of_folders_is_visited_once(
        self, folders: Folders, count: int
    ) -> None:
        for number in range(count):
            (folders.source / f"a loop {number}").symlink_to(".")
            (folders.source / "cat" / f"up {number}").symlink_to("..")
        assert [*list_images(folders.source).images] == ["cat/a.jpg", "dog/b.png"]
        assert make(folders).made == 2

    def test_links_are_followed(self, folders: Folders, tmp_path: Path) -> None:
        photograph(tmp_path / "elsewhere" / "deep" / "c.jpg", 40, 30)
        (folders.source / "link").symlink_to(tmp_path / "elsewhere")
        (folders.source / "again").symlink_to(tmp_path / "elsewhere")
        (folders.source / "d.jpg").symlink_to(tmp_path / "elsewhere" / "deep" / "c.jpg")
        names = [*list_images(folders.source).images]
        assert names in (
            ["again/deep/c.jpg", "cat/a.jpg", "d.jpg", "dog/b.png"],
            ["cat/a.jpg", "d.jpg", "dog/b.png", "link/deep/c.jpg"],
        )

    def test_the_folder_itself_comes_before_a_link_to_it(
        self, folders: Folders
    ) -> None:
        (folders.source / "a").symlink_to("dog")
        assert [*list_images(folders.source).images] == ["cat/a.jpg", "dog/b.png"]

    def test_links_that_end_nowhere_may_be_folders(self, folders: Folders) -> None:
        make(folders)
        (folders.source / "dog").rename(folders.source.with_name("dog"))
        (folders.source / "dog").symlink_to("unmounted")
        (folders.source / "notes.txt").symlink_to("nothing")
        with pytest.raises(ValueError, match="2 left out") as caught:
            make(folders)
        assert "dog: this link leads to nothing" in str(caught.value)
        # Its copies are kept until it is back.
        assert "112x112/dog/b.png" in exported(folders.target)
        (folders.source / "notes.txt").unlink()
        (folders.source / "dog").unlink()
        report = make(folders)
        assert (report.kept, report.removed) == (1, 1)


class TestFolders:
    def test_one_that_cannot_be_read(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(folders)
        scandir = os.scandir

        def refuse(path: Any) -> Any:
            if Path(path).name == "dog":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(_folder.os, "scandir", refuse)
        with pytest.raises(ValueError, match="1 left out; 1 images") as caught:
            make(folders)
        assert "dog: this folder cannot be read (Permission denied)" in str(
            caught.value
        )
        with pytest.raises(ValueError, match=r"dog: this folder cannot be read"):
            list_images(folders.source / "dog")
        monkeypatch.undo()
        assert make(folders).kept == 2

    def test_none_and_a_file(self, folders: Folders) -> None:
        with pytest.raises(ValueError, match="none: no such folder of images"):
            list_images(folders.source / "none")
        with pytest.raises(ValueError, match=r"a\.jpg: is not a folder; give"):
            list_images(folders.source / "cat" / "a.jpg")

    def test_only_odd_files(self, folders: Folders, tmp_path: Path) -> None:
        (tmp_path / "odd").mkdir()
        os.mkfifo(tmp_path / "odd" / "a.jpg")
        with pytest.raises(
            ValueError, match=r"no images in this folder\n.*a named pipe"
        ):
            make(Folders(tmp_path / "odd", folders.target))

    def test_what_is_an_image(self, tmp_path: Path) -> None:
        names = [
            *[
                "a.jpg",
                "a.JPEG",
                "a.png",
                "a.ppm",
                "a.bmp",
                "a.pgm",
                "a.tif",
                "a.tiff",
                "a.webp",
            ],
            *["a.jpe", "a.jfif", "a.pnm", "a.gif"],
        ]
        others = [
            "a.eps",
            "a.ps",
            "a.h5",
            "a.mpg",
            "a.pdf",
            "a.txt",
            "jpg",
            ".hidden.jpg",
            ".jpg",
        ]
        for name in names + others:
            (tmp_path / name).write_bytes(b"")
        (tmp_path / "notes").mkdir()
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / ".hidden").mkdir()
        (tmp_path / ".hidden" / "a.jpg").write_bytes(b"")
        listing = list_images(tmp_path)
        assert [*listing.images] == sorted(names)
        assert listing.left_out == []

    def test_one_that_goes_while_it_is_listed(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Gone:
            def __init__(self, entry: Any) -> None:
                self.name, self.path = entry.name, entry.path

            def stat(self) -> Any:
                raise FileNotFoundError(2, "No such file or directory")

            def is_symlink(self) -> bool:
                return False

        scandir = os.scandir

        class Scanned:
            def __init__(self, path: Any) -> None:
                with scandir(path) as entries:
                    self._entries = list(entries)

            def __enter__(self) -> Any:
                return [
                    Gone(e) if e.name in ("a.jpg", "a.txt") else e
                    for e in self._entries
                ]

            def __exit__(self, *_: object) -> None:
                pass

        (folders.source / "a.txt").write_text("no image")
        monkeypatch.setattr(_folder.os, "scandir", Scanned)
        listing = list_images(folders.source)
        assert [*listing.images] == ["dog/b.png"]
        (gone,) = listing.left_out
        assert gone.why.endswith("a.jpg: cannot be opened (No such file or directory)")


def test_an_image_that_cannot_be_read_any_more_has_no_copies(folders: Folders) -> None:
    """Its old copies would show what it was."""
    make(folders)
    _truncated(folders.source / "cat" / "a.jpg")
    with pytest.raises(ValueError, match="1 left out; 1 images have"):
        make(folders)
    assert not [name for name in exported(folders.target) if "a.jpg" in name]


def test_images_of_one_name_and_other_endings_have_their_own_copies(
    folders: Folders,
) -> None:
    names = ["a.webp", "a.webp.copy.png", "a.webp.png", "a.png", "a.gif", "a.gif.png"]
    for number, name in enumerate(names):
        colour = (40 * number, 0, 0)
        Image.new("RGB", (500, 375), colour).save(folders.source / name, lossless=True)
    assert make(folders, sizes=[112]).made == 8
    made = exported(folders.target)
    assert len(set(made.values())) == len(made) == 8
