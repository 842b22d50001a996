from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.loading import small_copies
from upsize.loading._measure import measure_loading
from upsize.schedule import Ramp, Size

PLAN = Ramp(final_size=64, increase_by=16).plan(total_steps=100)
WAYS = ["full", "sized", "sized, open_image", "sized, crop, decode"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    for name in "abcde":
        image = Image.effect_noise((500, 375), 60).convert("RGB")
        image.save(folder / "cat" / f"{name}.jpg")
    return folder


def run(*arguments: str | Path) -> Result:
    texts = ["loading", *map(str, arguments)]
    return CliRunner().invoke(app, texts, env={"COLUMNS": "160"})


def test_every_way_at_every_size(folder: Path) -> None:
    threads = torch.get_num_threads()
    result = run(folder, "--size", "64", "--turns", "2")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    head = next(line for line in lines if line.startswith("ms for an image"))
    assert head.split()[4:7] == ["32x32", "48x48", "64x64"]
    for way in WAYS:
        (line,) = (line for line in lines if line.startswith(f"{way} "))
        numbers = re.findall(r"-?[\d.]+", line)
        assert len(numbers) == 5
        assert all(float(each) > 0 for each in numbers[:3])
    assert "Theoretical maximum: 48.4%." in result.output
    assert "small copies" not in result.output
    assert torch.get_num_threads() == threads


def test_as_json(folder: Path) -> None:
    result = run(folder, "--size", "64", "--turns", "1", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["theoretical_maximum"] == pytest.approx(0.484, abs=0.001)
    assert [each["name"] for each in found["loading"]] == WAYS
    assert set(found["loading"][0]["seconds"]) == {"32x32", "48x48", "64x64"}


def test_copies(folder: Path, tmp_path: Path) -> None:
    small_copies(folder, tmp_path / "small", sizes=[32], full=64, workers=0)
    result = run(folder, "--size", "64", "--copies", tmp_path / "small", "--turns", "1")
    assert result.exit_code == 0, result.output
    assert "sized, small copies" in result.output


def test_the_share_is_that_of_the_steps(folder: Path) -> None:
    turns: list[int] = []

    def track(items: object, count: int) -> object:
        turns.append(count)
        return items

    times = measure_loading(folder, PLAN, images=3, turns=2, track=track)  # type: ignore[arg-type]
    assert turns == [2]
    assert [each.name for each in times] == WAYS
    plain = times[0].seconds[Size(64, 64)]
    assert set(times[0].seconds.values()) == {plain}
    assert times[0].share == pytest.approx(1)
    for each in times:
        assert list(each.seconds) == list(PLAN.sizes)
        steps = [50, 25, 25]
        loaded = sum(n * s for n, s in zip(steps, each.seconds.values(), strict=True))
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


def test_without_torchvision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r'pip install "upsize\[jpeg\]"'):
        measure_loading(folder, PLAN)
    result = run(folder)
    assert result.exit_code == 1
    assert 'pip install "upsize[jpeg]"' in result.output
