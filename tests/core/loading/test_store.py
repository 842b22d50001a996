"""A store is one folder of ours with data in it: nothing else is touched or trusted."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from tests.core.loading.copies import (
    FULL,
    Folders,
    everything,
    exported,
    make,
    opened,
    photograph,
    shorter,
)

from upsize.loading import (
    CopyLoader,
    estimate_copies,
    export_copies,
    open_image,
    sample_size,
)
from upsize.loading._copies import _export, _folder, _pool, _readers, _store, _writer
from upsize.loading._copies._records import pack_header, pack_image
from upsize.loading._copies._settings import CopySettings
from upsize.loading._images._folder import Found
from upsize.schedule import Size

SMALL = Size(112, 112)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("cat/a.jpg", "dog/b.png"):
        photograph(tmp_path / "data" / "images" / name)
    return Folders(tmp_path / "data" / "images", tmp_path / "small")


def load_small(folders: Folders, name: str = "cat/a.jpg") -> Any:
    with sample_size(SMALL, FULL):
        return CopyLoader(*folders)(folders.source / name)


class TestTheTarget:
    @pytest.mark.parametrize(
        "name",
        ["112x112/cat/a.jpg", "copies.jsonl", "a.part", "data.mdb.part", "lock.mdb/x"],
    )
    def test_it_holds_nothing_else(self, folders: Folders, name: str) -> None:
        """Files of others, those of the old design included, are never touched."""
        (folders.target / name).parent.mkdir(parents=True)
        (folders.target / name).write_text('["../../precious.jpg", 1, 1, [5]]\n')
        for made in (False, True):
            if made:
                make(Folders(folders.source, folders.target.with_name("other")))
                shutil.copy(folders.target.with_name("other") / "data.mdb",
                            folders.target)  # fmt: skip
            before = everything(folders.target.parent)
            first = name.split("/")[0]
            with pytest.raises(ValueError, match=f"small: holds what .*{first}"):
                make(folders)
            with pytest.raises(ValueError, match=f"small: holds what .*{first}"):
                estimate_copies(*folders, sizes=[112], full=224)
            assert everything(folders.target.parent) == before

    def test_many_others_are_counted(self, folders: Folders) -> None:
        folders.target.mkdir()
        for number in range(5):
            (folders.target / f"{number}.jpg").write_bytes(b"")
        with pytest.raises(ValueError, match=r"\(0\.jpg, 1\.jpg, 2\.jpg and 2 more\)"):
            make(folders)

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_its_file_is_not_another_one(self, folders: Folders, link: Any) -> None:
        precious = folders.target.with_name("precious.jpg")
        folders.target.mkdir()
        for content in (b"", b"precious"):
            precious.write_bytes(content)
            link(precious, folders.target / "data.mdb")
            with pytest.raises(ValueError, match=r"holds what .*\(data\.mdb\)"):
                make(folders)
            assert precious.read_bytes() == content
            (folders.target / "data.mdb").unlink()
        (folders.target / "data.mdb").symlink_to("nothing")
        with pytest.raises(ValueError, match="holds what"):
            make(folders)
        assert not (folders.target / "nothing").exists()

    def test_an_empty_one_and_a_link_to_one(self, folders: Folders) -> None:
        folders.target.mkdir()
        link = folders.target.with_name("link")
        link.symlink_to("small")
        assert make(Folders(folders.source, link)).made == 2
        assert make(folders).kept == 2

    def test_what_is_not_a_folder(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folders.target.symlink_to("nothing")
        with pytest.raises(ValueError, match="small: this link leads to nothing"):
            make(folders)
        file = photograph(folders.target.with_name("file.jpg"))
        for target in (file, file / "small"):
            with pytest.raises(ValueError, match=f"{target}: is not a folder; the"):
                make(Folders(folders.source, target))
        folders.target.unlink()

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", refuse)
            with pytest.raises(OSError, match=r"small: .* made \(Permission denied\)"):
                make(folders)
        with monkeypatch.context() as patch:
            patch.setattr(_folder.os, "scandir", refuse)
            with pytest.raises(ValueError, match=r"small: this folder cannot be read"):
                make(folders)
        make(folders)
        photograph(folders.source / "c.jpg")
        with monkeypatch.context() as patch:
            patch.setattr(_store, "locked", lambda *_, **__: refuse())
            with pytest.raises(PermissionError):
                make(folders)


class TestApart:
    @pytest.mark.parametrize(
        "target", ["", "cat", "small", "cat/new/small", "..", "../.."]
    )
    def test_neither_contains_the_other(self, folders: Folders, target: str) -> None:
        before = everything(folders.source)
        inside = Folders(folders.source, folders.source / target)
        with pytest.raises(ValueError, match="must be apart from"):
            make(inside)
        assert everything(folders.source) == before

    def test_nor_through_links(self, folders: Folders, tmp_path: Path) -> None:
        before = everything(folders.source)
        (tmp_path / "t").mkdir()
        (tmp_path / "t" / "112x112").symlink_to(folders.source)
        (tmp_path / "up").symlink_to(folders.source.parent)
        for target in (tmp_path / "t" / "112x112", tmp_path / "t" / "112x112" / "new",
                       tmp_path / "up", tmp_path / "up" / "images" / "cat"):  # fmt: skip
            with pytest.raises(ValueError, match="must be apart from"):
                make(Folders(folders.source, target))
            with pytest.raises(ValueError, match="must be apart from"):
                make(Folders(tmp_path / "up" / "images", target))
        with pytest.raises(ValueError, match="holds what"):
            make(Folders(folders.source, tmp_path / "t"))
        assert everything(folders.source) == before


def write_store(target: Path, header: bytes, *pairs: tuple[bytes, bytes]) -> None:
    with opened(target) as transaction:
        transaction.put(b"upsize", header)
        for key, value in pairs:
            transaction.put(key, value)


HEADER = json.loads(pack_header(CopySettings((SMALL,), FULL, 0.08, 90)))


class TestStoresOfOthers:
    @pytest.mark.parametrize(
        "change",
        [
            {"format": 1},
            {"format": "2"},
            {"settings": None},
            {"more": 1},
            {"settings": {"sizes": [["/home/me/e", "amples"]]}},
            {"settings": {"sizes": [[112, 112, 112]]}},
            {"settings": {"sizes": [[0, 112]]}},
            {"settings": {"sizes": [[112, 10**9]]}},
            {"settings": {"sizes": []}},
            {"settings": {"sizes": [[1, 1]] * 101}},
            {"settings": {"full": "../.."}},
            {"settings": {"quality": True}},
            {"settings": {"quality": 96}},
            {"settings": {"quality": None}},
            {"settings": {"encoding": "raw"}},
            {"settings": {"encoding": "webp", "quality": None}},
            {"settings": {"full_copy": 0}},
            {"settings": {"full_copy": "256"}},
            {"settings": {"full_copy": 10**9}},
            {"settings": {"least_scale": float("nan")}},
            {"settings": {"least_scale": 0}},
            {"settings": {"more": 1}},
        ],
    )
    def test_headers(self, folders: Folders, change: dict[str, Any]) -> None:
        header = HEADER | change
        if isinstance(change.get("settings"), dict):
            header["settings"] = HEADER["settings"] | change["settings"]
        write_store(folders.target, json.dumps(header).encode())
        before = everything(folders.target.parent)
        for use in (make, lambda both: CopyLoader(*both)):
            with pytest.raises(
                ValueError, match="small: this version of upsize cannot"
            ):
                use(folders)
        assert everything(folders.target.parent) == before

    @pytest.mark.parametrize(
        "header", [b"{}", b"no JSON", b"\xff", b"[" * 60_000, b" " * 70_000]
    )
    def test_what_is_no_header(self, folders: Folders, header: bytes) -> None:
        write_store(folders.target, header)
        with pytest.raises(ValueError, match="small: this version of upsize cannot"):
            make(folders)

    def test_environments_of_others(self, folders: Folders) -> None:
        with opened(folders.target) as transaction:
            transaction.put(b"somebody", b"else")
        before = everything(folders.target)
        for use in (make, lambda both: CopyLoader(*both)):
            with pytest.raises(
                ValueError, match="small: holds an LMDB environment that"
            ):
                use(folders)
        assert everything(folders.target) == before

    @pytest.mark.parametrize("size", [1, 5000, 8192, 100_000])
    def test_files_of_others(self, folders: Folders, size: int) -> None:
        folders.target.mkdir()
        content = random.Random(0).randbytes(size)
        (folders.target / "data.mdb").write_bytes(content)
        for use in (make, lambda both: CopyLoader(*both)):
            with pytest.raises(ValueError, match="small: "):
                use(folders)
        assert (folders.target / "data.mdb").read_bytes() == content

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
    def test_a_file_that_is_cut_short(self, folders: Folders, share: float) -> None:
        """LMDB reads past the end of its file, which kills the process."""
        make(folders)
        data = folders.target / "data.mdb"
        os.truncate(data, int(share * data.stat().st_size))
        for use in (make, lambda both: CopyLoader(*both)):
            with pytest.raises(ValueError, match=r"small: the file of .* is cut short"):
                use(folders)

    def test_pages_of_noise(self, folders: Folders) -> None:
        make(folders)
        data = folders.target / "data.mdb"
        whole = data.read_bytes()
        noise = random.Random(0).randbytes(len(whole) - 8192)
        data.write_bytes(whole[:8192] + noise)
        for use in (make, lambda both: CopyLoader(*both)):
            with pytest.raises(ValueError, match="small: these copies"):
                use(folders)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (b"icat/a.jpg", b""),
            (b"icat/a.jpg", b"\1" * 16),
            (b"icat/a.jpg", b"\1" * 10_000),
            (b"icat/a.jpg", pack_image(Found("cat/b.jpg", 1, 1))),
        ],
    )
    def test_images(self, folders: Folders, key: bytes, value: bytes) -> None:
        write_store(folders.target, json.dumps(HEADER).encode(), (key, value))
        with pytest.raises(ValueError, match="small: these copies are damaged"):
            make(folders, sizes=[112])


HOSTILE = [
    "../precious.jpg",
    "../../precious.jpg",
    "cat/../../../precious.jpg",
    "/tmp/precious.jpg",
    "cat//a.jpg",
    "./a.jpg",
    "..",
    "cat/",
    "a\0b.jpg",
]


class TestNamesAreNotPaths:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_making(self, folders: Folders, name: str) -> None:
        """An image that the store names, and that is not there, is only a key to remove."""
        precious = photograph(folders.target.with_name("precious.jpg"))
        make(folders)
        with opened(folders.target) as transaction:
            transaction.put(b"i" + name.encode(), pack_image(Found(name, 1, 1)))
        before = everything(folders.source), precious.read_bytes()
        report = make(folders)
        assert (report.made, report.kept, report.removed) == (0, 2, 1)
        assert (everything(folders.source), precious.read_bytes()) == before
        assert sorted(path.name for path in folders.target.parent.iterdir()) == [
            "data", "precious.jpg", "small",
        ]  # fmt: skip

    @pytest.mark.parametrize("name", HOSTILE)
    def test_exporting(self, folders: Folders, name: str) -> None:
        make(folders, sizes=[112])
        with opened(folders.target) as transaction:
            copy = transaction.get(b"c\0\0\0\x70\0\0\0\x70cat/a.jpg")
            assert copy is not None
            transaction.put(b"i" + name.encode(), pack_image(Found(name, 1, 1)))
            transaction.put(b"c\0\0\0\x70\0\0\0\x70" + name.encode(), copy)
        before = everything(folders.target.parent)
        with pytest.raises(ValueError, match="is not a path inside of a folder"):
            export_copies(folders.target, folders.target.with_name("look") / "a" / "b")
        assert everything(folders.target.parent) == before

    @pytest.mark.parametrize("name", ["C:a.jpg", "..\\a.jpg", "C:\\a.jpg", "a/b:c.jpg"])
    def test_exporting_on_windows(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _export._check_name(name, _export.PurePosixPath())
        monkeypatch.setattr(_export.os, "name", "nt")
        with pytest.raises(ValueError, match="is not a path inside of a folder"):
            _export._check_name(name, _export.PurePosixPath())


class TestExport:
    def test_where_it_writes(self, folders: Folders) -> None:
        make(folders)
        look = folders.target.with_name("look")
        look.mkdir()
        assert export_copies(folders.target, look) == 4
        with pytest.raises(ValueError, match="look: is not empty: export to a new"):
            export_copies(folders.target, look)
        for place in (folders.target, folders.target / "look", folders.target.parent):
            with pytest.raises(ValueError, match="must be apart from"):
                export_copies(folders.target, place)
        with pytest.raises(ValueError, match="none: holds no small copies"):
            export_copies(folders.target.with_name("none"), look.with_name("other"))
        file = photograph(look.with_name("file.jpg"))
        with pytest.raises(OSError, match=r"file\.jpg: cannot export to this folder"):
            export_copies(folders.target, file)

    def test_what_cannot_be_written(self, folders: Folders) -> None:
        make(folders, sizes=[112])
        with opened(folders.target) as transaction:
            for name in (b"dog", b"dog/x.jpg/y.jpg", b"dog/x.jpg"):
                key = b"c\0\0\0\x70\0\0\0\x70"
                copy = transaction.get(key + b"cat/a.jpg")
                assert copy is not None
                image = pack_image(Found(name.decode(), 1, 1))
                transaction.put(b"i" + name, image)
                transaction.put(key + name, copy)
        with pytest.raises(OSError, match=r"dog/x\.jpg.*: cannot be written"):
            export_copies(folders.target, folders.target.with_name("look"))

    def test_a_record_that_is_not_understood(self, folders: Folders) -> None:
        make(folders)
        spoil(folders.target, lambda value: b"\x09" + value[1:])
        with pytest.raises(ValueError, match=r"small: cat/a\.jpg: its record is not"):
            export_copies(folders.target, folders.target.with_name("look"))


def spoil(target: Path, change: Any) -> None:
    """Change every copy in a store."""
    with opened(target) as transaction:
        for key, value in list(transaction.cursor()):
            if key.startswith(b"c"):
                transaction.put(key, change(value))


class TestCopiesThatDoNotFit:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda v: v[:1] + bytes(8) + v[9:], "its original is said to be 0x0"),
            (
                lambda v: v[:1] + b"\x80\2\0\0\x80\2\0\0" + v[9:],
                "no copy of an original",
            ),
            (lambda v: v[:1] + b"\xff" * 8 + v[9:], "no copy of an original"),
            (lambda v: b"\x09" + v[1:], "its record is not understood"),
            (lambda v: v[:5], "its record is not understood"),
            (lambda v: b"", "its record is not understood"),
            (lambda v: v[:-500], r"it has \d+ bytes instead of \d+"),
            (lambda v: v + b"x", r"it has \d+ bytes instead of \d+"),
            (lambda v: shorter(v, len(v)), "cannot be read as an image"),
            (lambda v: shorter(v, len(v) - 99), "cannot be read as an image"),
            (lambda v: shorter(v, 500), "cannot be read as an image"),
            (lambda v: bytes([3 - v[0]]) + v[1:], "cannot be read as an image"),
        ],
    )
    def test_the_original_is_read_with_a_warning(
        self, folders: Folders, change: Any, why: str
    ) -> None:
        make(folders, sizes=[112])
        spoil(folders.target, change)
        for name in ("cat/a.jpg", "dog/b.png"):
            path = folders.source / name
            with pytest.warns(UserWarning, match=f"{name}: its small copy.*{why}"):
                image = load_small(folders, name)
            with sample_size(SMALL, FULL):
                assert np.array_equal(np.asarray(image), np.asarray(open_image(path)))


class TestOneWriter:
    def test_a_second_run_is_refused(self, folders: Folders) -> None:
        make(folders)
        photograph(folders.source / "c.jpg")
        with _folder.locked(folders.target, write=True):
            for use in (make, lambda both: CopyLoader(*both)):
                with pytest.raises(
                    ValueError, match="small: another process or thread writes to"
                ):
                    use(folders)
        with _folder.locked(folders.target, write=False):
            assert load_small(folders).width == 250
            with pytest.raises(ValueError, match=r"another process .* or reads them"):
                make(folders)
        assert make(folders).made == 1

    def test_what_another_run_has_done_meanwhile(self, folders: Folders) -> None:
        def track(results: Any, count: int) -> Any:
            counts.append(count)
            return results

        counts: list[int] = []
        begin = _writer.Writer.__init__

        def slow(self: Any, target: Path) -> None:
            monkeypatch.undo()
            make(folders)
            begin(self, target)

        monkeypatch = pytest.MonkeyPatch()
        monkeypatch.setattr(_writer.Writer, "__init__", slow)
        assert make(folders, track=track).kept == 2
        assert counts == [0]

    def test_a_loader_sees_what_its_own_process_has_made(
        self, folders: Folders
    ) -> None:
        make(folders, sizes=[112])
        load = CopyLoader(*folders)
        with sample_size(SMALL, FULL):
            assert load(folders.source / "cat" / "a.jpg").width == 250
        photograph(folders.source / "cat" / "a.jpg", 600, 450)
        make(folders, sizes=[112])
        with sample_size(SMALL, FULL):
            assert load(folders.source / "cat" / "a.jpg").width == 300
        make(folders, sizes=[168])
        with sample_size(SMALL, FULL):
            assert load(folders.source / "cat" / "a.jpg").width == 450

    def test_disks_without_locks(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(folders)

        def refuse(*_: Any) -> None:
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(_folder.fcntl, "flock", refuse)
        assert load_small(folders).width == 250
        photograph(folders.source / "c.jpg")
        with pytest.raises(ValueError, match=r"cannot be locked \(Function not"):
            make(folders)


class TestDisks:
    def test_nothing_is_written_without_need(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a read-only disk: with nothing to do, to estimate, and to read."""
        make(folders)
        plain, environment = os.open, lmdb.open

        def read_only(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                raise OSError(errno.EROFS, "Read-only file system", str(path))
            return plain(path, flags, *more, **options)

        def without_writing(*arguments: Any, **options: Any) -> Any:
            assert options["readonly"]
            assert not options["lock"]
            return environment(*arguments, **options)

        monkeypatch.setattr(os, "open", read_only)
        monkeypatch.setattr(lmdb, "open", without_writing)
        assert make(folders).kept == 2
        assert estimate_copies(*folders, sizes=[112], full=224).images == 2
        assert load_small(folders).width == 250
        photograph(folders.source / "c.jpg")
        with pytest.raises(
            OSError, match=r"small: .* written \(Read-only file system\)"
        ):
            make(folders)
        assert [*everything(folders.target)] == ["data.mdb"]

    def test_a_process_ends_in_silence(self, folders: Folders) -> None:
        """Though it has lost what closes a store before it loses the store."""
        make(folders)
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from upsize.loading._copies import _folder, _readers\n"
            "_folder.kept = _readers.open_reader(Path(sys.argv[1]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folders.target)],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_disk_that_is_full(self, folders: Folders) -> None:
        """What was made before stays, and a later run makes the rest."""
        make(folders)
        first = photograph(folders.source / "0.png")
        for number in range(1, 24):
            shutil.copy(first, folders.source / f"{number}.png")
        code = (
            "import resource, signal, sys\n"
            "from upsize.loading import small_copies\n"
            "from upsize.loading._copies import _job\n"
            "_job._MOST_IMAGES = 4\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000,) * 2)\n"
            "small_copies(*sys.argv[1:], sizes=[112, 168], full=224, workers=0)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, folders)],
            capture_output=True,
            text=True,
        )
        last = done.stderr.splitlines()[-1]
        assert f"{folders.target}: these copies cannot be" in last
        report = make(folders)
        assert report.kept > 2
        assert report.made > 0
        assert report.made + report.kept == 26

    def test_no_space(self, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
        def fill(self: Any, made: Any, removed: Any) -> None:
            def change(_: Any) -> None:
                raise lmdb.DiskError("No space left on device")

            self._commit(change)

        monkeypatch.setattr(_writer.Writer, "update", fill)
        with pytest.raises(OSError, match="small: the disk is full; what was made is"):
            make(folders)

    def test_the_map_grows(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_store, "_MAP_SIZE", 1 << 15)
        for number in range(6):
            photograph(folders.source / f"{number}.png")
        make(folders)
        assert folders.target.joinpath("data.mdb").stat().st_size > 1 << 20
        assert len(exported(folders.target)) == 16
        assert make(folders, sizes=[112]).made == 8

    def test_a_run_that_was_killed_before_the_first_copy(
        self, folders: Folders
    ) -> None:
        for size in (0, 1):  # no page yet, and no header yet
            folders.target.mkdir()
            (folders.target / "data.mdb").touch()
            if size:
                with opened(folders.target):
                    pass
            for use in (lambda: CopyLoader(*folders),
                        lambda: export_copies(folders.target, folders.source)):  # fmt: skip
                with pytest.raises(ValueError, match="small: holds no small copies"):
                    use()
            assert make(folders).made == 2
            shutil.rmtree(folders.target)


def _width(load: Any, path: Path) -> int:
    with sample_size(SMALL, FULL):
        width: int = load(path).width
    return width


class TestProcesses:
    def test_by_fork(self, folders: Folders) -> None:
        """A forked process opens its own environment, and leaves its parent's open."""
        make(folders)
        load = CopyLoader(*folders)
        path = folders.source / "cat" / "a.jpg"
        assert _width(load, path) == 250
        child = os.fork()
        if child == 0:  # pragma: no cover - in the forked process
            code = 1
            try:
                other = CopyLoader(*folders)
                code = 0 if _width(load, path) == _width(other, path) == 250 else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert _width(load, path) == 250

    def test_by_spawn(self, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
        make(folders)
        monkeypatch.chdir(folders.target.parent)
        load = CopyLoader("data/images", "small")
        path = folders.source / "cat" / "a.jpg"
        assert _width(load, path) == 250
        monkeypatch.chdir("/")
        again = pickle.loads(pickle.dumps(load))
        assert again == load
        assert again._reader is None
        assert _width(again, path) == 250

    def test_one_environment_for_all_loaders(self, folders: Folders) -> None:
        make(folders)
        loaders = [CopyLoader(*folders) for _ in range(3)]
        assert {_width(load, folders.source / "cat" / "a.jpg") for load in loaders} == {
            250
        }
        assert len({id(load._reader) for load in loaders}) == 1
        file = loaders[0]._reader.file  # type: ignore[union-attr]
        assert file in _readers._OPEN
        del loaders
        assert file not in _readers._OPEN  # closed with the last: others may write now

    def test_a_worker_that_is_killed(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Broken:
            def result(self) -> Any:
                raise _pool.BrokenProcessPool("gone")

        class Pool:
            def __init__(self, *_: Any, **__: Any) -> None:
                pass

            def submit(self, *_: Any) -> Broken:
                return Broken()

            def shutdown(self, **_: Any) -> None:
                pass

        monkeypatch.setattr(_pool, "ProcessPoolExecutor", Pool)
        with pytest.raises(OSError, match="a worker process was killed, perhaps for"):
            make(folders, workers=2)

    def test_few_results_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However slow the one that writes is."""
        ahead: list[int] = []

        class Done:
            def __init__(self, value: Any) -> None:
                self._value = value

            def result(self) -> Any:
                return self._value

        class Pool:
            submitted = 0

            def __init__(self, *_: Any, **__: Any) -> None:
                pass

            def submit(self, call: Any, *arguments: Any) -> Done:
                Pool.submitted += len(arguments[1])
                return Done(call(*arguments))

            def shutdown(self, **_: Any) -> None:
                pass

        monkeypatch.setattr(_pool, "ProcessPoolExecutor", Pool)
        items = list(range(10_000))
        with _pool.in_processes(str, items, 2, 32) as results:
            for number, result in enumerate(results):
                assert result == str(number)
                ahead.append(Pool.submitted - number)
        assert len(ahead) == 10_000
        assert max(ahead) <= 10 * 32
