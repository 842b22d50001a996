"""A schedule of the user's own at the command: FILE.py:NAME and MODULE:NAME."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.schedule import Plan

MODULE = """
from __future__ import annotations
from upsize.schedule import Ramp, RunLength, Schedule, Size

class Jump(Schedule):
    at: float | int = 0.5
    final_size: int = 32

    def changes(self, run: RunLength, final: Size) -> list[tuple[int, int | Size]]:
        return [(0, 16), (int(self.at * run.total_steps), final)]

late = Jump(at=0.75)

def make() -> Schedule:
    return Jump(at=0.25)

def ramp() -> Schedule:
    return Ramp()

def ramp_from(size: int) -> Schedule:
    return Ramp(initial_size=size)

def wrong() -> int:
    return 3
"""


@pytest.fixture
def where(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return FILE.py, or the module that lies in the working folder."""
    (tmp_path / "own_schedules.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_schedules", raising=False)
    return str(request.param)


BOTH = pytest.mark.parametrize(
    "where", ["own_schedules.py", "own_schedules"], indirect=True
)
ONE = pytest.mark.parametrize("where", ["own_schedules.py"], indirect=True)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@BOTH
@pytest.mark.parametrize(("name", "step"), [("Jump", 50), ("late", 75), ("make", 25)])
@pytest.mark.parametrize("option", [(), ("--schedule",)])
def test_plan(where: str, name: str, step: int, option: tuple[str, ...]) -> None:
    result = run("plan", *option, f"{where}:{name}", "--total-steps", "100", "--json")
    assert result.exit_code == 0, result.output
    plan = Plan.model_validate_json(result.stdout)
    assert [stage.start for stage in plan.stages] == [0, step]
    assert plan.final_size == (32, 32)
    shown = run("plan", *option, f"{where}:{name}", "--total-steps", "100")
    assert f"{where}:{name}: 100 steps, up to 32x32" in shown.output


@ONE
def test_copies_take_its_sizes(where: str, tmp_path: Path) -> None:
    from upsize.cli._copies import _plan

    assert _plan(Path(f"{where}:late"), None).sizes == ((16, 16), (32, 32))
    assert _plan(Path(f"{where}:ramp"), "64").final_size == (64, 64)
    assert _plan(Path(f"{where}:ramp"), None).final_size == (224, 224)


@ONE
def test_the_demo_and_the_forecast_take_it(where: str) -> None:
    from upsize.cli import _demo_command as _demo
    from upsize.cli import _forecast

    schedule, full = _demo._schedule(f"{where}:late", None, None)
    assert (repr(schedule), full) == ("Jump(at=0.75)", 32)
    assert _demo._schedule(f"{where}:ramp", None, None)[1] == 128
    assert repr(_forecast._schedule(f"{where}:late")(64)) == "Jump(at=0.75)"


@ONE
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "own_schedules.py has no schedule 'missing'"),
        ("wrong", "must be a schedule, its class or a function that returns one"),
        ("ramp_from", "needs some (missing a required argument: 'size')"),
    ],
)
def test_what_is_not_a_schedule(where: str, name: str, message: str) -> None:
    result = run("plan", f"{where}:{name}")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@ONE
def test_two_schedules(where: str) -> None:
    result = run("plan", "fastxtend", "--schedule", f"{where}:late")
    assert "both name a schedule" in " ".join(result.output.split())


@ONE
def test_a_missing_file(where: str) -> None:
    result = run("plan", "other.py:late")
    assert result.exit_code == 1
    assert "other.py: no such file" in result.output


def test_the_plan_as_json_has_its_class() -> None:
    assert json.loads(run("plan", "--json").stdout)["schedule"]["kind"] == "ramp"
