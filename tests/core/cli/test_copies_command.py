from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.schedule import Ramp, dump


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.png"):
        image = Image.effect_noise((500, 375), 60).convert("RGB")
        image.save(folder / "cat" / name)
    return folder


def run(*arguments: str | Path) -> Result:
    texts = ["copies", *map(str, arguments)]
    return CliRunner().invoke(app, texts, env={"COLUMNS": "160"})


def test_sizes(folder: Path) -> None:
    result = run(folder, "--sizes", "112, 150x168", "--workers", "0")
    assert result.exit_code == 0, result.output
    target = folder.with_name("images-small")
    for text in (
        "Copies for samples of 112x112, 150x168; full size 224x224.",
        "3 images to copy need about ",
        f"in {target}, where ",
        "3 images copied, ",
        "0 up to date, 0 removed with their source images.",
    ):
        assert text in result.output
    assert [path.name for path in target.iterdir()] == ["data.mdb"]
    result = run(folder, "--sizes", "112,150x168", "--workers", "0")
    assert "0 images to copy need about 0 bytes" in result.output
    assert "0 images copied, 0 bytes; 3 up to date, 0 removed" in result.output


def test_in_processes(folder: Path) -> None:
    result = run(folder, "--sizes", "112", "--workers", "2", "--least-scale", "0.35")
    assert result.exit_code == 0, result.output
    assert "3 images copied" in result.output


def test_raw(folder: Path, tmp_path: Path) -> None:
    options = "--sizes", "112", "--encoding", "raw", "--workers", "0"
    result = run(folder, *options, "--dry-run")
    assert "Raw copies for samples of 112x112; full size 224x224." in result.output
    assert "3 images to copy need about 430.1 kB in" in result.output
    result = run(folder, *options, "--full-copy", "256", "--export", tmp_path / "look")
    assert result.exit_code == 0, result.output
    assert "Raw copies for samples of 112x112, 224x224; full size" in result.output
    assert re.search(r"3 images copied, 98\d\.\d kB; 0 up to date", result.output)
    assert "6 copies in" in result.output
    result = run(folder, "--full-copy", "256", "--encoding", "raw", "--dry-run")
    assert "Raw copies for samples of 224x224; full size 224x224." in result.output


def test_a_quality_that_is_lowered(folder: Path) -> None:
    """Pillow's own is 75."""
    text = "About 2 of them are JPEG files of a quality below 90, and get copies of"
    assert text in run(folder, "--sizes", "112", "--dry-run").output
    result = run(folder, "--sizes", "112", "--dry-run", "--quality", "75")
    assert "quality below" not in result.output


def test_a_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "fast" / "small"
    result = run(folder, "--sizes", "112", "--target", target, "--dry-run")
    assert result.exit_code == 0, result.output
    assert f"in {target}, where " in result.output
    assert "copied" not in result.output
    assert not target.parent.exists()


@pytest.mark.parametrize("suffix", ["json", "toml", "yaml"])
def test_a_schedule(suffix: str, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / f"a.{suffix}"
    dump(Ramp(increase_by=16), file)
    result = run(folder, "--plan", file, "--dry-run")
    assert "samples of 112x112, 176x176; full size 224x224" in result.output
    result = run(folder, "--plan", file, "--full", "256", "--most", "1", "--dry-run")
    assert "samples of 128x128; full size 256x256" in result.output
    dump(Ramp(final_size=128), file)
    result = run(folder, "--plan", file, "--most", "1", "--dry-run")
    assert "samples of 64x64; full size 128x128" in result.output


def test_a_preset_as_the_plan(folder: Path) -> None:
    result = run(folder, "--plan", "ffcv-16", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "full size 192x192" in result.output
    result = run(folder, "--plan", "fastxtend", "--full", "160", "--dry-run")
    assert "full size 160x160" in result.output
    result = run(folder, "--plan", "fastxtnd", "--dry-run")
    assert result.exit_code == 2
    assert "--plan must be a preset" in result.stderr
    assert "did you mean fastxtend?" in result.stderr


def test_a_plan(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan = Ramp(final_size=192, increase_by=32).plan(total_steps=100)
    file.write_text(plan.model_dump_json())
    result = run(folder, "--plan", file, "--dry-run")
    assert "samples of 96x96, 160x160; full size 192x192" in result.output
    result = run(folder, "--plan", file, "--full", "224", "--dry-run")
    assert result.exit_code == 2
    assert "both set the full size: leave --full out" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give either --plan or --sizes"),
        (["--sizes", "112", "--plan", "a.json"], 2, "give either --plan or --sizes"),
        (["--sizes", "0.5"], 2, "--sizes must be pixels"),
        (["--sizes", "224"], 2, "sizes must be below the full size 224x224"),
        (["--sizes", "112", "--full", "large"], 2, "--full must be pixels"),
        (["--sizes", "112", "--quality", "96"], 2, "quality must be from 1 to 95"),
        (["--sizes", "112", "--encoding", "png"], 2, "encoding must be 'jpeg' or"),
        (["--encoding", "raw"], 2, "give either --plan or --sizes"),
        (
            ["--sizes", "112", "--encoding", "raw", "--quality", "90"],
            2,
            "raw copies have no quality: leave out quality=90",
        ),
        (["--full-copy", "100"], 2, "full_copy must be a shorter side in pixels, from"),
        (["--full-copy", "0"], 2, "full_copy must be a whole number of at least 1"),
        (
            ["--plan", "a.json", "--sizes", "112", "--full-copy", "256"],
            2,
            "give either --plan or --sizes",
        ),
        (["--sizes", "112", "--least-scale", "0"], 2, "least_scale must be a share"),
        (["--sizes", "112", "--workers", "-1"], 2, "Invalid value for '--workers'"),
        (["--plan", "none.json"], 1, "--plan none.json: no such file"),
        (["--plan", "none.ini"], 1, "--plan none.ini: no such file"),
        (["--plan", "."], 1, "--plan .: is a folder, not a file"),
        (["--plan", sys.executable], 2, "--plan"),
        (["--sizes", "112", "--target", "/dev/null"], 2, "/dev/null: is not a folder"),
        (["--export", "look", "--dry-run"], 2, "--dry-run writes nothing: leave out"),
        (["--export", "look"], 2, "images-small: holds no small copies: make them"),
        (["--export", "/dev/null"], 2, "images-small: holds no small copies: make"),
    ],
)
def test_bad_input_is_one_message(
    arguments: list[str], code: int, message: str, folder: Path
) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_bad_images_are_named(folder: Path) -> None:
    path = folder / "cat" / "a.jpg"
    path.write_bytes(path.read_bytes()[:-2000])
    result = run(folder, "--sizes", "112", "--workers", "0")
    assert result.exit_code == 2
    assert "1 left out; 2 images have their copies." in result.stderr
    assert "a.jpg: cannot be read as an image" in result.stderr
    for name, why in (("none", "no such folder of images"), ("cat/b.jpg", "is not a")):
        result = run(folder / name, "--sizes", "112", "--target", folder.parent / "s")
        assert result.exit_code == 2
        assert f"{name}: {why}" in result.stderr


def test_odd_files_leave_an_exit_code(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "loop").symlink_to(".")
    for _ in range(2):
        result = run(folder, "--sizes", "112", "--workers", "0")
        assert result.exit_code == 2
        assert "2 left out; 3 images have their copies." in result.stderr
        assert "pipe.png: is a named pipe" in result.stderr
        assert "loop.jpg: cannot be opened" in result.stderr


def test_export(folder: Path, tmp_path: Path) -> None:
    look = tmp_path / "look"
    options = "--sizes", "112", "--workers", "0", "--export"
    result = run(folder, *options, look)
    assert result.exit_code == 0, result.output
    assert f"3 copies in {folder}-small written to {look}." in result.output
    names = [path.name for path in sorted((look / "112x112" / "cat").iterdir())]
    assert names == ["a.jpg", "b.jpg", "c.png"]
    result = run(folder, "--export", look)
    assert result.exit_code == 2
    assert "look: is not empty" in result.stderr
    result = run(folder, "--export", tmp_path / "again")
    assert result.output.strip().endswith("again.")
    assert "images copied" not in result.output
    result = run(folder, "--export", folder / "look")
    assert result.exit_code == 2
    assert "look: the folder of --export must be apart from" in result.stderr
    assert not (folder / "look").exists()


def test_without_its_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    result = run(folder, "--sizes", "112")
    assert result.exit_code == 1
    assert 'pip install "upsize[jpeg]"' in result.stderr


def test_a_plan_that_is_too_large(folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    with plan.open("wb") as file:
        file.truncate(10_000_001)
    result = run(folder, "--plan", plan)
    assert result.exit_code == 2
    assert "must have at most 10000000 bytes" in result.stderr


def test_a_folder_below_the_working_one_is_shown_as_it_was_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    printed = run(Path(folder.name), "--sizes", "16", "--dry-run").output
    assert f"in {folder.name}-small, where" in " ".join(printed.split())
