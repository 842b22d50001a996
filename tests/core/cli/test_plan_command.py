from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from upsize.cli import main
from upsize.cli._app import app
from upsize.cli._draw import staircase
from upsize.cli._errors import friendly
from upsize.cli._presets import PRESETS
from upsize.schedule import Plan, Ramp, dump, load


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "120"})


def test_the_reference_s_run() -> None:
    result = run(
        "fastxtend", "--epochs", "20", "--steps-per-epoch", "147",
        "--size", "224", "--increase-by", "16",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "112x112 until epoch 10, then +16 px every 0.83 epochs, " in result.output
    assert "112x112" in result.output
    assert "51.9 % of the pixels" in result.output
    assert "48.1 % of the time saved" in result.output


def test_without_arguments_it_shows_the_default_ramp() -> None:
    result = run()
    assert result.exit_code == 0
    assert "20 epochs of 100 steps, up to 224x224" in result.output
    assert "18 more, " in result.output  # 29 stages are too many for a table


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_by_its_name(name: str) -> None:
    result = run(name, "--json")
    assert result.exit_code == 0, result.output
    plan = Plan.model_validate_json(result.stdout)
    assert plan.epochs == (PRESETS[name].epochs or 20)
    assert plan.final_size in plan.stages[-1].sizes


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "tested at 224x224 may end at 176x176: saves 59.4 % of the pixels"),
        (["--test-size", "224x224"], "tested at 224x224 may end at 176x176"),
        (["--size", "64"], ""),
        (["composer"], ""),
        (["composer", "--test-size", "224"], "tested at 224x224 may end at 176x176"),
        (
            ["ffcv-16", "--test-size", "256"],
            "No hint: training ends at 192x192, for a test size of 256.",
        ),
        (
            ["--test-size", "224x96"],
            "No hint: training ends at 224x224, for a test size of 224x96.",
        ),
    ],
)
def test_one_line_on_ending_below_the_test_size(
    arguments: list[str], line: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert line in result.output
    assert result.output.lower().count("hint") == bool(line)
    assert "hint" not in run(*arguments, "--json").stdout.lower()


def test_list() -> None:
    result = run("--list")
    assert result.exit_code == 0
    assert all(name in result.output for name in PRESETS)


def test_options_of_the_ramp() -> None:
    result = run(
        "--initial-size", "112x160", "--size", "224x320", "--start", "10ep",
        "--finish", "75%", "--multiple-of", "16x32", "--max-sizes", "3",
        "--increase-mode", "epoch", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert load(Plan.model_validate_json(result.stdout).schedule) == Ramp(
        initial_size=(112, 160),
        final_size=(224, 320),
        start="10ep",
        finish="75%",
        multiple_of=(16, 32),
        max_sizes=3,
        increase_mode="epoch",
    )


def test_a_schedule_file_and_a_picture(tmp_path: Path) -> None:
    dump(Ramp(final_size=64), tmp_path / "a.yaml")
    picture = tmp_path / "a.png"
    result = run(
        "--schedule", str(tmp_path / "a.yaml"), "--total-steps", "100",
        "--plot", str(picture),
    )  # fmt: skip
    assert result.exit_code == 0
    assert "100 steps, up to 64x64" in result.output
    assert "Picture: " in result.output
    assert picture.stat().st_size > 1000
    result = run("--json", "--plot", str(picture))
    assert json.loads(result.stdout)["total_steps"] == 2000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nonsense"], 2, "nonsense"),
        (["--epochs", "0"], 2, "epochs must be a whole number of at least 1, not 0"),
        (["--start", "0.9", "--finish", "0.5"], 2, "comes before start"),
        (["--initial-size", "0.0"], 2, "initial_size: must be a share"),
        (["--size", "0.5"], 2, "--size must be pixels"),
        (["--size", "0x5"], 2, "--size must be pixels"),
        (["--size", "large"], 2, "--size must be pixels"),
        (["--test-size", "0.8"], 2, "--test-size must be pixels"),
        (["--test-size", "9999999"], 2, "--test-size must be pixels"),
        (["--size", "225", "--multiple-of", "32"], 2, "not a multiple"),
        (
            ["ffcv-16", "--increase-by", "4"],
            2,
            "--increase-by is an option of the ramp",
        ),
        (["ffcv-16", "--size", "224"], 2, "leave one of them out"),
        (["ffcv-16", "--schedule", "a.json"], 2, "both name a schedule"),
        (["--schedule", "none.json"], 1, "none.json"),
        (["--schedule", "none.ini"], 1, "--schedule none.ini: no such file"),
        (["--plot", "a.xyz"], 2, "must end in one of"),
    ],
)
def test_bad_input_is_one_message(
    arguments: list[str], code: int, message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_bad_file_names_path_and_field(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"kind": "ramp", "start": -1}')
    result = run("--schedule", str(path))
    assert result.exit_code == 2
    assert f"--schedule {path}: start: must be a share" in result.stderr.replace(
        "\n", ""
    )


def test_a_warning_is_one_line() -> None:
    result = run("--finish", "1.0", "--total-steps", "100")
    assert result.exit_code == 0
    assert "Warning: the full size 224x224 is never reached" in result.stderr


def test_a_closed_pipe_is_left_to_the_command() -> None:
    with pytest.raises(BrokenPipeError), friendly():
        raise BrokenPipeError


def test_staircase_draws_every_size() -> None:
    plan = Ramp(final_size=64, increase_by=16).plan(total_steps=100)
    lines = staircase(plan, width=40, height=4).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("64 |")
    assert lines[-1].endswith("step 100")
    full = lines[0].count("█")
    assert full == sum(plan.size_at(c * 99 // 39) == (64, 64) for c in range(40))
    ascii_only = staircase(plan, width=40, height=4, ascii_only=True)
    assert ascii_only.isascii()
    assert ascii_only.count("#") > 40


@pytest.mark.parametrize(("width", "height"), [(1, 4), (40, 0)])
def test_staircase_too_small(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="at least 2 and 1"):
        staircase(Ramp(final_size=64).plan(total_steps=9), width, height)


def test_version_in_a_real_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "upsize", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("upsize ")
    code = "import sys, upsize.cli._app; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_main_runs_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["upsize", "--version"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0


def test_main_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(SystemExit, match=r'pip install "upsize\[cli\]"'):
        main()


def test_the_module_runs_as_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["upsize", "--version"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("upsize", run_name="__main__", alter_sys=True)
    assert caught.value.code == 0


def test_a_size_beyond_every_bound_is_refused_before_it_costs_anything() -> None:
    result = run("fastxtend", "--size", "9999999")
    assert result.exit_code == 2
    assert "at most 65536 pixels" in " ".join(result.output.replace(",", "").split())


def test_the_presets_as_json() -> None:
    result = run("--list", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == set(PRESETS)
    assert found["ffcv-16"]["epochs"] == 16


def test_a_preset_may_be_named_as_the_schedule() -> None:
    by_name, by_option = run("ffcv-16"), run("--schedule", "ffcv-16")
    assert by_option.exit_code == 0, by_option.output
    assert by_option.output == by_name.output
    result = run("--schedule", "ffvc-16")
    assert result.exit_code == 2
    assert "did you mean ffcv-16?" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--list"], ["ffcv-16"]])
def test_tables_fit_into_sixty_columns(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "60"})
    tables = [line for line in result.output.splitlines() if "  " in line]
    assert max(map(len, tables)) <= 60
    assert not any(line.strip() == "%" for line in tables)


@pytest.mark.parametrize("command", [(), ("plan",), ("demo",), ("forecast",)])
def test_a_flag_shows_no_type_of_a_value(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).output
    assert "--help" in shown
    assert "bool" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_presets_are_completed() -> None:
    words = {"COMP_WORDS": "upsize plan ffcv-1", "COMP_CWORD": "2"}
    found = CliRunner().invoke(
        app, env={"_UPSIZE_COMPLETE": "complete_bash", **words}, prog_name="upsize"
    )
    assert found.output.split() == ["ffcv-16"]
