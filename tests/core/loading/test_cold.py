from __future__ import annotations

import os
from pathlib import Path

import pytest

from upsize.loading._cold import forget


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(b"x" * 10_000)
    (tmp_path / "empty").touch()
    return [*paths, tmp_path / "empty"]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsize.loading._cold._PAUSE", 0)


def system(monkeypatch: pytest.MonkeyPatch, answers: list[int | OSError]) -> list[str]:
    """Let a system answer whether a byte can be read at once, and keep what it is told."""
    told = []

    def advise(file: int, start: int, count: int, advice: int) -> None:
        assert (start, count, advice) == (0, 0, 4)
        told.append("drop")

    def read(file: int, buffers: object, offset: int, flags: int) -> int:
        assert (offset, flags) == (0, 8)
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def sync(file: int) -> None:
        told.append("sync")
        raise OSError(22, "a file system that is only read")

    for name, value in (
        ("posix_fadvise", advise), ("POSIX_FADV_DONTNEED", 4), ("preadv", read),
        ("RWF_NOWAIT", 8), ("fsync", sync),
    ):  # fmt: skip
        monkeypatch.setattr(os, name, value, raising=False)
    return told


def test_files_are_dropped(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    told = system(monkeypatch, [BlockingIOError(), BlockingIOError(), 0])
    assert forget(files) == ""
    assert told == ["drop"] * 3


def test_what_is_not_written_yet(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = system(monkeypatch, [1, 1, BlockingIOError()])
    assert forget(files[:1]) == ""
    assert told == ["drop", "sync", "drop", "sync", "drop"]


@pytest.mark.parametrize("answer", [1, OSError(95, "not supported")])
def test_files_in_memory(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, answer: int | OSError
) -> None:
    told = system(monkeypatch, [answer] * 5)
    assert forget(files) == (
        f"{files[0]}: its file system keeps it in memory, or cannot say"
    )
    assert told.count("drop") == 5


@pytest.mark.parametrize("name", ["posix_fadvise", "RWF_NOWAIT"])
def test_another_operating_system(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(os, name, raising=False)
    assert "does not empty its cache" in forget(files)


def test_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, [])
    with pytest.raises(FileNotFoundError):
        forget([tmp_path / "none"])


def test_of_this_system(files: list[Path]) -> None:
    """Where it can be done at all, the next read waits for the disk."""
    if forget(files):
        pytest.skip("its files stay in memory")
    for path in files:
        assert path.read_bytes() == (b"" if path.name == "empty" else b"x" * 10_000)
