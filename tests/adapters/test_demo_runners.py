"""The demo through a framework: the same images, the same sizes, the same accuracy."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from upsize.cli._app import app
from upsize.cli._frameworks import frameworks
from upsize.demo import load_cells
from upsize.demo._data import Data, LabelledImages
from upsize.demo._plans import default_schedule, steps_per_epoch
from upsize.demo._run import Training, train

FRAMEWORKS = ["accelerate", "fastai", "lightning", "transformers"]


def test_the_frameworks_are_found() -> None:
    assert frameworks() == FRAMEWORKS


def some(data: Data, count: int) -> Data:
    """The first images only: what is compared is two runs."""
    train, val = (
        LabelledImages(part.images[:count], part.labels[:count])
        for part in (data.train, data.val)
    )
    return replace(data, train=train, val=val)


@cache
def cells() -> Data:
    """The photographs, decoded once for all frameworks."""
    return some(load_cells(16, 0, lambda images, total: images), 500)


def run(runner: Any) -> Any:
    """Give the accuracies and the sizes of a training, which are those of its plan."""
    data, schedule = cells(), default_schedule(16)
    plan = schedule.plan(epochs=4, steps_per_epoch=steps_per_epoch(len(data.train), 64))
    assert len(plan.sizes) == 3
    sizes: list[Any] = []
    epochs = list(
        runner(
            Training(data, schedule, plan, batch_size=64, seed=0),
            lambda step, size: sizes.append((step, size)),
        )
    )
    assert [size for _, size in sizes] == [
        plan.size_at(step) for step in range(plan.total_steps)
    ]
    assert epochs[-1].seconds > 0
    return [epoch.accuracy for epoch in epochs], sizes


plain = cache(lambda: run(train))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_trains_as_the_plain_loop_does(framework: str) -> None:
    assert run(import_module(f"upsize.{framework}._demo").train) == plain()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_command_with_a_framework(framework: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.png")
    result = CliRunner().invoke(
        app,
        [
            "demo",
            "--with",
            framework,
            "--epochs",
            "1",
            "--size",
            "16",
            "--output",
            output,
        ],
    )
    assert result.exit_code == 0, result.output
    assert "achieved" in result.output


def test_an_unknown_or_missing_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["demo", "--with", "mxnet"])
    assert result.exit_code == 2
    assert "--with must be one of" in result.stderr
    monkeypatch.setitem(sys.modules, "accelerate", None)
    for name in [n for n in sys.modules if n.startswith("upsize.accelerate")]:
        monkeypatch.delitem(sys.modules, name)
    result = CliRunner().invoke(app, ["demo", "--with", "accelerate"])
    assert result.exit_code == 1
    assert 'pip install "upsize[accelerate]"' in result.stderr
