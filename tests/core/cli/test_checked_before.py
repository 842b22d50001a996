"""What cannot work is refused before anything slow, and results are never lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.cli._demo_command import runner
from upsize.plot import save
from upsize.schedule import Ramp, dump


class SlowError(AssertionError):
    """The slow part of a command has begun."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let decoding, measuring and the user's own function fail."""

    def begin(*_: object, **__: object) -> None:
        raise SlowError

    monkeypatch.setattr("upsize.cli._demo_command.load_images", begin)
    monkeypatch.setattr("upsize.cli._demo_command.runner", begin)
    monkeypatch.setattr("upsize.cli._forecast.workload_of", begin)
    monkeypatch.setattr("upsize.demo._forecast.workload", begin)
    monkeypatch.setattr("upsize.loading._measure.measure_loading", begin)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "away.png").symlink_to("none/away.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.json")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "bad.json").write_text('{"kind": "ramp", "start": -1}', "utf-8")
    dump(Ramp(final_size=(64, 96)), tmp_path / "wide.json")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})


PICTURES = [
    ("none/a.png", "there is no folder none"),
    ("file/a.png", "file is a file, not a folder"),
    ("folder.png", "is a folder, not a file to write"),
    ("a.txt", "a picture must end in one of"),
    ("a.png ", "a picture must end in one of"),
    ("", "a picture must end in one of"),
    ("away.png", "cannot be written (No such file or directory)"),
    ("loop.png", "cannot be written ("),
    ("pipe.png", "cannot be written (it is not a regular file)"),
    (f"{'a' * 300}.png", "file name too long"),
]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["demo"], "--output"),
        (["forecast", "--demo"], "--plot"),
        (["forecast", "train.py:make", "--json"], "--plot"),
        (["plan"], "--plot"),
        (["plan", "--json"], "--plot"),
    ],
)
@pytest.mark.parametrize(("name", "message"), PICTURES)
@pytest.mark.usefixtures("slow")
def test_a_picture_that_cannot_be_written(
    command: list[str], option: str, name: str, message: str, folder: Path
) -> None:
    before = sorted(Path().iterdir())
    result = run(*command, option, name)
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith(f"Error: {option} {Path(name)}: ")
    assert message in result.stderr
    assert "Errno" not in result.stderr
    assert result.stdout == ""
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.usefixtures("slow")
def test_a_read_only_place(
    exists: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "locked").mkdir()
    if exists:
        (folder / "locked" / "a.png").touch()

    # As root every folder can be written: only a refusal made here is one anywhere.
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    result = run("demo", "--output", "locked/a.png")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: --output locked/a.png: cannot be written (Permission denied)\n"
    )


def test_the_check_changes_nothing(folder: Path) -> None:
    kept = folder / "kept.png"
    kept.write_bytes(b"kept")
    (folder / "link.png").symlink_to("new.png")
    from upsize.plot import check_picture

    for name in ("kept.png", "new.png", "link.png"):
        check_picture(name)
    assert kept.read_bytes() == b"kept"
    assert not (folder / "new.png").exists()
    assert (folder / "link.png").is_symlink()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["demo", "--data", "none"], 1, "--data none: no such folder"),
        (["demo", "--data", "file"], 1, "--data file: is a file, not a folder"),
        (["demo", "--with", "mxnet"], 2, "--with must be one of accelerate, fastai"),
        (["demo", "--schedule", "none.json"], 1, "--schedule none.json: no such file"),
        (
            ["demo", "--schedule", "pipe.json"],
            1,
            "--schedule pipe.json: is not a regul",
        ),
        (["demo", "--schedule", "folder.json"], 1, "folder.json: is a folder, not a"),
        (
            ["demo", "--schedule", "bad.json"],
            2,
            "--schedule bad.json: start: must",
        ),
        (["demo", "--schedule", "wide.json"], 2, "squares of at least 8"),
        (["demo", "--initial-size", "1.5"], 2, "initial_size"),
        (["demo", "--size", "65000"], 2, "GiB of memory"),
        (["demo", "--seed", "4294967296"], 2, "Invalid value for '--seed'"),
        (["demo", "--batch-size", "100000"], 2, "Invalid value for '--batch-size'"),
        (["forecast", "--demo", "--budget", "2"], 2, "--budget must be a share"),
        (["forecast", "--demo", "--budget", "0"], 2, "--budget must be a share"),
        (["forecast", "--demo", "--budget", "nan"], 2, "--budget must be a share"),
        (["forecast", "--demo", "--seconds", "0"], 2, "--seconds must be more than 0"),
        (
            ["forecast", "--demo", "--seconds", "inf"],
            2,
            "--seconds must be more than 0",
        ),
        (
            ["forecast", "--demo", "--schedule", "nope"],
            2,
            "must be a preset, see upsize",
        ),
        (
            ["forecast", "--demo", "--schedule", "none.toml"],
            1,
            "none.toml: no such file",
        ),
        (
            ["forecast", "a.py:make", "--schedule", "bad.json"],
            2,
            "bad.json: start",
        ),
        (["plan", "--schedule", "pipe.json"], 1, "pipe.json: is not a regular file"),
        (["loading", "none"], 1, "FOLDER none: no such folder"),
        (["loading", "file"], 1, "FOLDER file: is a file, not a folder"),
        (["loading", ".", "--copies", "none"], 1, "--copies none: no such folder"),
        (["loading", ".", "--copies", "file"], 1, "--copies file: is a file"),
        (["loading", ".", "--size", "10000"], 2, "Invalid value for '--size'"),
    ],
)
@pytest.mark.usefixtures("slow")
def test_options_are_checked_before_anything_slow(
    arguments: list[str], code: int, message: str
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.exception.__class__) == (code, SystemExit)
    assert message in result.stderr
    assert "Errno" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["demo"], ["forecast", "--demo"], ["forecast", "a:make"], ["loading", "."]],
)
@pytest.mark.usefixtures("slow")
def test_what_is_right_comes_to_the_slow_part(arguments: list[str]) -> None:
    assert isinstance(run(*arguments).exception, SlowError)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("pipe.py:make", "TARGET pipe.py: is not a regular file"),
        ("folder.png:make", "TARGET folder.png: there is no such module"),
        ("..train:make", "TARGET must name a module of Python, not '..train'"),
        ("with space:make", "TARGET must name a module of Python, not 'with space'"),
    ],
)
def test_targets(target: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    result = run("forecast", target)
    assert result.exit_code in (1, 2)
    assert message in result.stderr


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ("iter([])", "the loader is empty"),
        ("iter([torch.rand(2, 3, 8, 8)])", "no length: give --steps-per-epoch"),
    ],
)
def test_loaders(
    loader: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "own.py").write_text(
        f"import torch\ndef make():\n    return torch.nn.ReLU(), {loader}, None",
        "utf-8",
    )
    result = run("forecast", "own.py:make")
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_the_user_s_module_lacks_is_its_own_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "lacking_one.py").write_text("import absent_one", "utf-8")
    result = run("forecast", "lacking_one:make")
    assert result.exit_code == 1
    assert result.stderr == "Error: No module named 'absent_one'\n"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every picture fail at the end, as on a disk that filled up meanwhile."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)


@pytest.mark.usefixtures("full_disk")
def test_results_are_printed_before_a_picture_fails(folder: Path) -> None:
    for part in ("train", "val"):
        for name in ("dark", "bright"):
            (folder / "data" / part / name).mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (16, 16)).save(
                    folder / "data" / part / name / f"{number}.png"
                )
    sentence = "Error: {} a.png: no space left on device\n"
    result = run(
        *("demo", "--data", "data", "--epochs", "4", "--size", "16"),
        *("--batch-size", "4", "--output", "a.png"),
    )
    assert result.exit_code == 1
    assert "achieved" in result.stdout
    assert "Picture" not in result.stdout
    assert result.stderr == sentence.format("--output")
    for arguments, text in (
        (["plan"], "of the pixels of full-size training"),
        (["plan", "--json"], '"total_steps": 2000'),
    ):
        result = run(*arguments, "--plot", "a.png")
        assert result.exit_code == 1
        assert text in result.stdout
        assert result.stderr == sentence.format("--plot")


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize(
    ("option", "text"), [([], "For 80% of the time"), (["--json"], '"device": "cpu"')]
)
def test_a_forecast_is_printed_before_its_picture_fails(
    option: list[str], text: str, known: None
) -> None:
    result = run("forecast", "--demo", "--plot", "a.png", *option)
    assert result.exit_code == 1
    assert text in result.stdout
    assert result.stderr == "Error: --plot a.png: no space left on device\n"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    from functools import wraps

    from tests.core.forecast.made import by_pixels, forecast

    from upsize.forecast import measure

    @wraps(measure)
    def measured(**_: object) -> Any:
        return forecast(by_pixels())

    monkeypatch.setattr("upsize.forecast.measure", measured)


def test_a_picture_names_the_folder_that_was_removed(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(Figure(), tmp_path / "none" / "a.png")


def test_a_plain_loop_without_a_framework() -> None:
    from upsize.demo._run import train

    assert runner(None) is train
