"""The benchmarks of devices run, here on a CPU and in a tiny form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.benchmarks import batch, gpu
from tests.benchmarks.device.measure import measure
from tests.benchmarks.device.page import insert
from tests.benchmarks.device.report import achieved, plan_of
from tests.benchmarks.device.workload import Trainer

from upsize.schedule import Size


def test_constant_against_grown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "batch.json"
    batch.main(["--tiny", "--device", "cpu", "--json", str(file)])
    found = json.loads(file.read_text("utf-8"))
    assert found["about"]["torch"] == torch.__version__
    assert found["about"]["device"]
    points = {
        (point["size"], point["images"]): point["images_per_second"]
        for point in found["models"][0]["points"]
    }
    # Batches of 2 and 8, and as many pixels where images are smaller.
    assert set(points) == {
        ("32x32", 2), ("64x64", 2), ("32x32", 8), ("64x64", 8), ("32x32", 32),
    }  # fmt: skip
    assert all(rate > 0 for rate in points.values())
    printed = capsys.readouterr().out
    assert "tiny ResNet, eager: images per second" in printed
    assert printed.count("constant") == printed.count("grown") == 4


def test_steps_and_loaders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "gpu.json", tmp_path / "gpu.svg"
    arguments = ["--tiny", "--device", "cpu", "--json", str(file), "--picture"]
    gpu.main([*arguments, str(picture)])
    found = json.loads(file.read_text("utf-8"))
    for model in found["models"]:
        assert [point["size"] for point in model["points"]] == ["32x32", "64x64"]
        assert set(model["with_loader"]["achieved"]) == {"full", "sized"}
        assert model["achieved"] < 1.5
    assert "<svg" in picture.read_text("utf-8")
    assert "tiny ViT" in capsys.readouterr().out.splitlines()[-1]


def test_what_a_plan_achieves() -> None:
    plan = plan_of([32, 48, 64])
    assert achieved(plan, lambda size: float(size.height**2)) == pytest.approx(1)
    assert achieved(plan, lambda size: 1.0) == pytest.approx(0)
    assert achieved(plan, lambda size: None if size.height == 48 else 1.0) is None


def test_batches_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer("tiny ResNet", 64, torch.device("cpu"), "eager")
    step = trainer.step

    def limited(found: tuple[torch.Tensor, torch.Tensor]) -> None:
        if len(found[0]) > 8:
            raise torch.OutOfMemoryError("tried to allocate")
        step(found)

    monkeypatch.setattr(trainer, "step", limited)
    small = Size(32, 32)
    found = measure(trainer, [(small, 8), (small, 16)], rounds=2, steps=1)
    assert len(found[small, 8].seconds) == 2
    assert found[small, 16].rate is None
    assert found[small, 16].seconds == []


def test_the_page_has_the_tables_of_the_file() -> None:
    docs = Path(__file__).parents[1] / "docs"
    found = json.loads((docs / "gpu.json").read_text("utf-8"))
    page = (docs / "gpu.md").read_text("utf-8")
    assert insert(page, found) == page
