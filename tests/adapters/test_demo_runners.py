"""The demo through a framework: the same images, the same sizes, the same accuracy."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.core.demo.test_demo import images
from typer.testing import CliRunner

from upsize.cli._app import app
from upsize.cli._frameworks import frameworks
from upsize.demo._data import Data, load
from upsize.demo._files import find_cells
from upsize.demo._plans import default_schedule, steps_per_epoch
from upsize.demo._run import Training, train

FRAMEWORKS = ["accelerate", "fastai", "lightning", "transformers"]


def test_the_frameworks_are_found() -> None:
    assert frameworks() == FRAMEWORKS


@cache
def cells() -> Data:
    """The first photographs, decoded once for all frameworks: two runs are compared."""
    files = find_cells(0)
    some = replace(files, train=files.train[:500], val=files.val[:500])
    return load(some, 16, lambda images, total: images)


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
    data, output = images(tmp_path / "data"), tmp_path / "out.png"
    result = CliRunner().invoke(
        app,
        [
            *("demo", "--with", framework, "--data", str(data), "--epochs", "2"),
            *("--size", "16", "--batch-size", "8", "--output", str(output)),
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
