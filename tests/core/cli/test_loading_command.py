from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.loading import small_copies
from upsize.loading._measure import measure_loading
from upsize.schedule import Grow, Plan, Ramp, Size

PLAN = Ramp(final_size=64, increase_by=16).plan(total_steps=100)
GROWN = Ramp(final_size=64, increase_by=16).plan(
    epochs=8, samples_per_epoch=64, batch_size=Grow(32, batch=8)
)
WAYS = ["full", "sized", "sized, open_image", "sized, crop, decode"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    for name in "abcde":
        image = Image.effect_noise((500, 375), 60).convert("RGB")
        image.save(folder / "cat" / f"{name}.jpg")
    return folder


def run(*arguments: str | Path, columns: int = 160) -> Result:
    texts = ["loading", *map(str, arguments)]
    return CliRunner().invoke(app, texts, env={"COLUMNS": f"{columns}"})


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.*"))


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Whatever the file system does, files are dropped from memory: those of each time."""
    calls: list[list[str]] = []

    def forget(paths: Sequence[str]) -> str:
        calls.append(list(paths))
        return ""

    monkeypatch.setattr("upsize.loading._measure.forget", forget)
    return calls


@pytest.mark.parametrize("columns", [60, 80])
def test_every_way_at_every_size(
    folder: Path, dropped: list[list[str]], columns: int
) -> None:
    threads = torch.get_num_threads()
    result = run(folder, "--size", "64", "--turns", "2", columns=columns)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= columns
    warm, cold = (
        next(n for n, line in enumerate(lines) if line.startswith(f"images/s, {kind}"))
        for kind in ("warm", "cold")
    )
    sizes = ["32x32", "48x48", "64x64"]
    assert lines[warm].split()[2:] == [*sizes, "saved", "achieved"]
    assert lines[cold].split()[2:] == [*sizes, "disk"]
    for start, count in ((warm, 5), (cold, 4)):
        for way, line in zip(WAYS, lines[start + 1 :], strict=False):
            assert line.startswith(f"{way} ")
            numbers = re.findall(r"-?[\d.]+", line)
            assert len(numbers) == count
            assert all(float(each) > 0 for each in numbers[:3])
    assert "Theoretical maximum: 48.4%." in result.output
    assert "Not measured" not in result.output
    files = {str(path) for path in (folder / "cat").iterdir()}
    # Before each pass, at each of three sizes, in two turns.
    assert len(dropped) == len(WAYS) * 3 * 2
    assert all(set(each) == files for each in dropped)
    assert "small copies" not in result.output
    assert torch.get_num_threads() == threads


def test_as_json(folder: Path, dropped: list[list[str]]) -> None:
    result = run(folder, "--size", "64", "--turns", "1", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["theoretical_maximum"] == pytest.approx(0.484, abs=0.001)
    assert [each["name"] for each in found["loading"]] == WAYS
    assert found["not_cold"] == ""
    for each in found["loading"]:
        assert set(each["seconds"]) == {"32x32", "48x48", "64x64"}
        assert set(each["cold_images_per_second"]) == set(each["seconds"])
        for size, seconds in each["seconds"].items():
            assert each["images_per_second"][size] == pytest.approx(1 / seconds)
        assert each["disk_bytes"] == bytes_of(folder)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sized, small copies", {}),
        ("sized, raw copies", {"encoding": "raw", "full_copy": 72}),
    ],
)
def test_copies(
    folder: Path,
    tmp_path: Path,
    dropped: list[list[str]],
    name: str,
    settings: dict[str, Any],
) -> None:
    small = tmp_path / "small"
    small_copies(folder, small, sizes=[32], full=64, workers=0, **settings)
    arguments = (folder, "--size", "64", "--copies", small, "--turns", "1", "--json")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["loading"]
    assert [each["name"] for each in found] == [*WAYS, name]
    whole = bytes_of(folder)
    assert [each["disk_bytes"] for each in found] == [
        *[whole] * 4,
        whole + bytes_of(small),
    ]
    files = {str(path) for path in (*folder.rglob("*.jpg"), *small.iterdir())}
    assert dropped
    assert all(set(each) == files for each in dropped)


def test_where_files_stay_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upsize.loading._measure.forget", lambda paths: "they stay")
    result = run(folder, "--size", "64", "--turns", "2")
    assert result.exit_code == 0, result.output
    assert "Not measured cold: they stay.\n" in result.output
    cold = result.output[result.output.index("images/s, cold") :]
    for way, line in zip(WAYS, cold.splitlines()[1:], strict=False):
        assert line.split()[-5:-2] == ["-"] * 3, way
    result = run(folder, "--size", "64", "--turns", "1", "--json")
    found = json.loads(result.stdout)
    assert found["not_cold"] == "they stay"
    assert [each["cold_images_per_second"] for each in found["loading"]] == [{}] * 4


@pytest.mark.parametrize("plan", [PLAN, GROWN], ids=["constant", "grown"])
def test_the_share_is_that_of_the_steps(folder: Path, plan: Plan) -> None:
    turns: list[int] = []

    def track(items: object, count: int) -> object:
        turns.append(count)
        return items

    times = measure_loading(folder, plan, images=3, turns=2, track=track).ways  # type: ignore[arg-type]
    assert turns == [2]
    assert [each.name for each in times] == WAYS
    plain = times[0].seconds[Size(64, 64)]
    assert set(times[0].seconds.values()) == {plain}
    assert times[0].share == pytest.approx(1)
    for each in times:
        assert list(each.seconds) == list(PLAN.sizes)
        # A share of the images, of which the steps of larger batches have more.
        images = [50, 25, 25]
        loaded = sum(n * s for n, s in zip(images, each.seconds.values(), strict=True))
        assert each.share == pytest.approx(loaded / (100 * plain))


def test_bad_input(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="images must be at least 1, not 0"):
        measure_loading(folder, PLAN, images=0)
    with pytest.raises(ValueError, match="turns must be at least 1, not 0"):
        measure_loading(folder, PLAN, turns=0)
    (tmp_path / "empty").mkdir()
    for name, message in (("none", "no such folder"), ("empty", "no images in this")):
        result = run(tmp_path / name)
        assert result.exit_code == (1 if name == "none" else 2)
        assert message in result.output
    result = run(folder, "--copies", tmp_path / "empty")
    assert result.exit_code == 2
    assert "holds no small copies" in result.output


def test_a_file_that_is_no_image_is_named(folder: Path) -> None:
    bad = folder / "bad.jpg"
    bad.write_bytes(next(folder.rglob("*.jpg")).read_bytes()[:300])
    result = run(folder, "--images", "100", "--turns", "1")
    assert result.exit_code == 2
    assert f"{bad}: cannot be read as an image" in result.stderr


def test_without_torchvision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r'pip install "upsize\[jpeg\]"'):
        measure_loading(folder, PLAN)
    result = run(folder)
    assert result.exit_code == 1
    assert 'pip install "upsize[jpeg]"' in result.output
