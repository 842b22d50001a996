from __future__ import annotations

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
        "0 had their copies, 0 are gone",
    ):
        assert text in result.output
    assert (target / "112x112" / "cat" / "a.jpg").exists()
    result = run(folder, "--sizes", "112,150x168", "--workers", "0")
    assert "0 images to copy need about 0 B" in result.output
    assert "0 images copied, 0 B; 3 had their copies" in result.output


def test_in_processes(folder: Path) -> None:
    result = run(folder, "--sizes", "112", "--workers", "2", "--least-scale", "0.35")
    assert result.exit_code == 0, result.output
    assert "3 images copied" in result.output


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
        (["--sizes", "112", "--least-scale", "0"], 2, "least_scale must be a share"),
        (["--sizes", "112", "--workers", "-1"], 2, "Invalid value for '--workers'"),
        (["--plan", "none.json"], 1, "none.json"),
        (["--plan", "none.ini"], 1, "none.ini"),
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
    assert "1 of 3 images have no small copies" in result.stderr
    assert "a.jpg: cannot be read as an image" in result.stderr
    result = run(folder / "none", "--sizes", "112")
    assert result.exit_code == 2
    assert "none: no such folder of images" in result.stderr


def test_without_its_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsize.cli._copies.find_spec", lambda name: None)
    result = run(folder, "--sizes", "112")
    assert result.exit_code == 1
    assert 'pip install "upsize[jpeg]"' in result.stderr
