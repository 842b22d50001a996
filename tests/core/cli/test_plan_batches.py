"""``upsize plan`` with batches that grow while images are small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from upsize.cli._app import app
from upsize.schedule import Grow, Plan, Ramp

BATCHES = ["--samples", "50000", "--batch", "64"]


def run(*arguments: str, columns: int = 80) -> str:
    result = CliRunner().invoke(
        app, ["plan", *arguments], env={"COLUMNS": f"{columns}"}
    )
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("columns", [60, 80])
def test_the_batch_of_each_stage_and_the_saved_steps(columns: int) -> None:
    printed = run(*BATCHES, "--limit", "256", "--increase-by", "56", columns=columns)
    lines = printed.splitlines()
    assert lines[0] == "fastxtend: 20 epochs of 50000 images, up to 224x224"
    assert lines[4].split()[-5:] == ["batch", "of", "samples", "of", "pixels"]
    assert [line.split()[2:4] for line in lines[5:8]] == [
        ["112x112", "256"],
        ["168x168", "112"],
        ["224x224", "64"],
    ]
    assert lines[-2] == (
        "8105 steps instead of 15640, 48.2 % fewer: batches grow up to 256."
    )
    assert max(len(line) for line in lines[3:-3]) <= columns


def test_a_drawing_is_in_samples() -> None:
    grown, plain = (
        [line for line in run(*BATCHES, *limit).splitlines() if "█" in line]
        for limit in (["--limit", "256"], [])
    )
    assert grown == plain


def test_limits_by_size_as_json() -> None:
    printed = run(
        *BATCHES, "--limit", "112=200,168x168=100", "--increase-by", "56", "--json"
    )
    plan = Ramp(final_size=224, increase_by=56).plan(
        epochs=20,
        samples_per_epoch=50_000,
        batch_size=Grow({112: 200, 168: 100}, batch=64),
    )
    assert Plan.model_validate_json(printed) == plan
    found = json.loads(printed)
    assert found["stage_batches"] == [200, 96, 64]
    assert found["total_steps"] < found["plain"]["total_steps"] == 15_640


def test_a_constant_batch_saves_no_step() -> None:
    printed = run(*BATCHES)
    assert "of samples" in printed
    assert "steps instead of" not in printed


@pytest.mark.parametrize("arguments", [["--limit", "64"], ["--limit", "70"]])
def test_a_limit_without_effect_is_said(arguments: list[str]) -> None:
    printed = " ".join(run(*BATCHES, *arguments).split())
    assert "No batch grows: a larger one would have more pixels" in printed
    assert f"more images than --limit {arguments[-1]} allows." in printed


def test_a_picture_of_both(tmp_path: Path) -> None:
    small, large = tmp_path / "steps.svg", tmp_path / "samples.svg"
    run("--plot", str(small))
    run(*BATCHES, "--limit", "256", "--plot", str(large))
    assert small.stat().st_size < large.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "256"], "--limit needs --batch"),
        (["--batch", "64"], "--batch needs --samples, the images of an epoch"),
        (["--samples", "64"], "--samples needs --batch"),
        ([*BATCHES, "--limit", "32"], "limit=32 is below the batch of 64"),
        ([*BATCHES, "--limit", "112=x"], "--limit must be images (256)"),
        ([*BATCHES, "--limit", "x=256"], "--limit must be images (256)"),
        ([*BATCHES, "--limit", "many"], "--limit must be images (256)"),
        ([*BATCHES, "--steps-per-epoch", "9"], "are 782 steps, not steps_per_epoch=9"),
    ],
)
def test_bad_options_are_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
