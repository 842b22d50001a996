"""The stores that a process reads: one of each, by several threads, and another in its place."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.core.loading.copies import FULL, Folders, make, photograph

from upsize.loading import CopyLoader, sample_size
from upsize.loading._copies import _readers
from upsize.schedule import Size

GUARD = 30.0  # seconds, after which a test that hangs fails


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "images", tmp_path / "small")
    photograph(made.source / "a.png")
    make(made)
    return made


def open_small(load: CopyLoader, folders: Folders) -> Image.Image:
    with sample_size(Size(112, 112), FULL):
        return load(folders.source / "a.png")


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """Return what threads that begin at once return."""
    begin, found = threading.Barrier(count), []

    def run() -> None:
        begin.wait(GUARD)
        try:
            found.append(work())
        except Exception as error:  # for the main thread
            found.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(GUARD)
    return found


def test_threads_open_a_store_at_once(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(_readers.Reader):
        def __init__(self, target: Path) -> None:
            time.sleep(0.01)
            super().__init__(target)

    monkeypatch.setattr(_readers, "Reader", Slow)
    load = CopyLoader(*folders)
    found = in_threads(4, lambda: open_small(load, folders).size)
    assert found == [(250, 188)] * 4


def test_it_is_closed_when_no_thread_reads_it(folders: Folders) -> None:
    reader = _readers.open_reader(folders.target)
    closing = threading.Thread(target=reader.close)
    with reader.begin() as transaction, reader.begin():
        closing.start()
        closing.join(0.05)
        assert not reader.closed
        assert reader.get(transaction, "a.png", Size(112, 112)) is not None
    closing.join(GUARD)
    assert reader.closed
    with pytest.raises(ValueError, match="small: these copies are being made again"):
        reader.begin().__enter__()
    assert _readers.open_reader(folders.target) is not reader


def test_it_stays_open_for_threads_that_never_end(folders: Folders) -> None:
    """A process that ends does not wait for them, and must not take their memory."""
    reader = _readers.open_reader(folders.target)
    with reader.begin() as transaction:
        reader._uses.close_unused()
        assert reader.get(transaction, "a.png", Size(112, 112)) is not None
    reader._uses.close_unused()
    assert reader.closed


def test_a_forked_process_waits_for_no_thread_of_its_parent(folders: Folders) -> None:
    reader = _readers.open_reader(folders.target)
    reader._uses.begin()  # by a thread that the child does not have
    reader.pid = 0
    own = _readers.open_reader(folders.target)
    assert own is not reader
    assert reader.closed


def test_making_copies_again_waits_for_threads_that_read(folders: Folders) -> None:
    load = CopyLoader(*folders)
    reader = _readers.open_reader(folders.target)
    again = threading.Thread(target=make, args=(folders,), kwargs={"sizes": [168]})
    with reader.begin():
        again.start()
        again.join(0.05)
        assert not reader.closed
    again.join(GUARD)
    assert open_small(load, folders).size == (375, 282)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_opens_a_store(folders: Folders) -> None:
    load, held = CopyLoader(*folders), threading.Event()

    def hold() -> None:
        with _readers._OPENING:
            held.set()
            time.sleep(0.05)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(GUARD)
    child = os.fork()
    if child == 0:  # pragma: no cover - in the forked process
        code = 1
        try:
            threading.Timer(GUARD, os._exit, (2,)).start()
            code = 0 if open_small(load, folders).size == (250, 188) else 3
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    thread.join(GUARD)


class TestAnotherStoreInItsPlace:
    def test_one_that_was_made_after_it_was_removed(self, folders: Folders) -> None:
        old = CopyLoader(*folders)
        before = open_small(old, folders)
        shutil.rmtree(folders.target)
        Image.new("RGB", (500, 375), (255, 0, 0)).save(folders.source / "a.png")
        make(folders)
        new = CopyLoader(*folders)
        assert open_small(new, folders).getpixel((9, 9)) == (255, 0, 0)
        assert open_small(old, folders).tobytes() == before.tobytes()  # still there

    def test_under_another_name(self, folders: Folders, tmp_path: Path) -> None:
        old = CopyLoader(*folders)
        before = open_small(old, folders)
        moved = folders.target.rename(tmp_path / "moved")
        new = CopyLoader(folders.source, moved)
        for load in (old, new):
            assert open_small(load, folders).tobytes() == before.tobytes()
        assert old._reader is new._reader

    def test_by_a_second_path(self, folders: Folders, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(folders.target)
        loaders = [CopyLoader(folders.source, to) for to in (folders.target, link)]
        assert {open_small(load, folders).size for load in loaders} == {(250, 188)}
        assert loaders[0]._reader is loaders[1]._reader
