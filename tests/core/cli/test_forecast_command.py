"""``upsize forecast`` on a file of the user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import wraps
from pathlib import Path

import pytest
import torch
from tests.core.forecast.made import by_pixels, cost, forecast
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.demo._forecast import workload
from upsize.forecast import Costs, Forecast, measure
from upsize.schedule import Grow, Size

TRAIN = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from beside import CLASSES

def loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])

def make():
    data = TensorDataset(torch.rand(40, 3, 64, 64), torch.randint(CLASSES, (40,)))
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    )
    return model, DataLoader(data, batch_size=4), loss

def make_dict():
    model, loader, forward = make()
    return {"model": model, "loader": loader, "forward": forward, "final_size": (64, 64)}

def make_more():
    return make_dict() | {"lr": 0.1}

def make_two():
    return torch.nn.Linear(1, 1), []

def make_part():
    return {"model": None, "net": None}

def make_nothing():
    return None

def make_with(size):
    return make()

def make_float():
    return *make()[:2], lambda model, batch: 3.0

def make_pair():
    return *make()[:2], lambda model, batch: (model(batch[0]).mean(), 3)

def make_faulty():
    return *make()[:2], lambda model, batch: loss(model)
"""


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").write_text("CLASSES = 4", "utf-8")
    file = tmp_path / "train_forecast.py"
    file.write_text(TRAIN, "utf-8")
    yield file
    sys.modules.pop("beside", None)
    sys.modules.pop("train_forecast", None)


def run(*arguments: str | Path) -> Result:
    texts = ["forecast", *map(str, arguments), "--seconds", "0.1"]
    return CliRunner().invoke(app, texts, env={"COLUMNS": "160"})


@pytest.mark.parametrize("function", ["make", "make_dict"])
def test_what_is_printed(train: Path, function: str) -> None:
    result = run(f"{train}:{function}", "--epochs", "10")
    assert result.exit_code == 0, result.output
    table = [line for line in result.output.splitlines() if line.startswith("  ")]
    assert "ms per step" in result.output
    assert all(len(line) <= 60 for line in table if "points" not in line)
    assert "fastxtend, with the loader unchanged" in result.output
    assert "(theoretical maximum: " in result.output
    assert "a sized loader was not measured" in result.output
    assert "a step of 16 images of 32x32 takes" in result.output
    assert "the batch" in result.output
    assert "For 80% of the time, with the loader unchanged" in result.output


def test_a_module_and_a_schedule_of_the_users_own(train: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"kind": "ramp", "initial_size": 48, "increase_by": 8}', "utf-8")
    result = run(
        "train_forecast:make", "--schedule", own, "--steps-per-epoch", "50", "--json"
    )
    assert result.exit_code == 0, result.output
    found = Forecast.model_validate(json.loads(result.stdout))
    assert [cost.size[0] for cost in found.full.sizes] == [48, 56, 64]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give either TARGET or --demo"),
        (["train_forecast:make", "--demo"], "give either TARGET or --demo"),
        (["train_forecast"], "FILE.py:FUNCTION"),
        (["absent.py:make"], "TARGET absent.py: no such file"),
        (["absent_module:make"], "TARGET absent_module: there is no such module"),
        (["train_forecast:nope"], "has no function 'nope'"),
        (["train_forecast:make_nothing"], "must return (model, loader, forward)"),
        (["train_forecast:make_two"], "not a tuple of Linear, list"),
        (["train_forecast:make_part"], "not a dict of model, net"),
        (["train_forecast:make_more"], "returns lr, which"),
        (
            ["train_forecast:make_with"],
            "needs some (missing a required argument: 'size')",
        ),
        (["train_forecast:make_float"], "return the loss, a tensor, not a float"),
        (["train_forecast:make_pair"], "return the loss, a tensor, not a tuple"),
        (
            ["train_forecast:make", "--size", "64"],
            "--size 64 is the full size of --demo",
        ),
        (["train_forecast:make", "--schedule", "nope.json"], "nope.json"),
        (["train_forecast:make", "--plot", "a.txt"], "a picture must end in one of"),
    ],
)
def test_what_is_refused(train: Path, arguments: list[str], text: str) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert text in result.stderr
    assert "Traceback" not in result.output


def test_a_fault_in_the_user_s_code_keeps_its_traceback(train: Path) -> None:
    result = run(f"{train}:make_faulty")
    assert isinstance(result.exception, TypeError)
    assert "loss() missing 1 required positional argument" in str(result.exception)


def test_the_most_images_in_a_batch(train: Path) -> None:
    result = run("train_forecast:make", "--limit", "8", "--json")
    assert result.exit_code == 0, result.output
    found = Forecast.model_validate(json.loads(result.stdout))
    assert found.grow == Grow(8, batch=4)
    result = run("train_forecast:make", "--limit", "3")
    assert result.exit_code in (1, 2)
    assert "limit=3 is below the batch of 4 images" in result.stderr


@pytest.mark.parametrize(
    ("missing", "extra"), [("torch", "torch"), ("elpv_dataset", "demo")]
)
def test_missing_extras(
    missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    result = run("--demo")
    assert result.exit_code == 1
    assert f'pip install "upsize[{extra}]"' in result.stderr


def test_what_the_demo_loads() -> None:
    made = workload(32, workers=0)
    images, labels = next(iter(made["loader"]))
    assert images.shape == (32, 1, 32, 32)
    assert images.dtype == torch.float32
    assert set(labels.tolist()) <= {0, 1, 2, 3}
    assert made["forward"](made["model"], (images, labels)).ndim == 0


def test_the_picture(train: Path, tmp_path: Path) -> None:
    result = run(f"{train}:make", "--plot", tmp_path / "costs.svg")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "costs.svg").read_text("utf-8")
    assert text.count("<svg") == 1


@pytest.mark.parametrize(
    ("sized", "arguments", "hints"),
    [
        (None, [], 1),
        (True, [], 1),  # beside two predictions
        (None, ["--schedule", "composer"], 0),
        (True, ["--schedule", "composer", "--test-size", "256"], 1),
        (None, ["--test-size", "320"], 0),
    ],
)
def test_one_line_on_ending_below_the_test_size(
    sized: bool | None,
    arguments: list[str],
    hints: int,
    train: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = Costs(sizes=tuple(cost(s, (s / 256) ** 2) for s in (128, 192, 256)))

    @wraps(measure)
    def known(**_: object) -> Forecast:
        return forecast(costs, costs if sized else None)

    monkeypatch.setattr("upsize.forecast.measure", known)
    monkeypatch.setattr("upsize.forecast._setup.first_size", lambda *_: Size(256, 256))
    result = run(f"{train}:make", *arguments)
    assert result.exit_code == 0, result.output
    assert result.output.count("may end at 208x208") == hints


def test_a_bad_test_size_is_refused_before_the_measurement(
    train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upsize.forecast.measure", None)  # nothing to measure with
    result = run(f"{train}:make", "--test-size", "0.8")
    assert result.exit_code == 2
    assert "--test-size must be pixels" in result.stderr


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (
            "0.02",
            "For 2% of the time, with the loader unchanged\nNo schedule with 10 %",
        ),
        ("0.8", "For 80% of the time, with the loader unchanged\nRamp(initial_size="),
    ],
)
def test_the_schedule_for_a_budget(
    budget: str, text: str, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = train.with_name("own.json")
    own.write_text('{"kind": "ramp", "initial_size": 64, "final_size": 128}', "utf-8")

    # Known costs: on measured ones the machine decides whether anything fits.
    @wraps(measure)
    def known(**_: object) -> Forecast:
        return forecast(by_pixels())

    monkeypatch.setattr("upsize.forecast.measure", known)
    result = run(f"{train}:make", "--schedule", own, "--budget", budget)
    assert result.exit_code == 0, result.output
    assert text in result.output


def test_the_demo() -> None:
    # A batch of the demo has 32 images: larger ones are tested above.
    result = run("--demo", "--size", "32", "--limit", "32")
    assert result.exit_code == 0, result.output
    assert "fastxtend, with a sized loader" in result.output
    assert "with a sized loader by" in result.output
