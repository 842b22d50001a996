"""One message, never longer than a screen, whatever the user gave."""

from __future__ import annotations

import errno
import warnings
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from typer.main import get_command
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.cli._errors import explain, friendly, naming
from upsize.cli._values import shown

LONG = "9" * 100_000


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on device"),
        (
            OSError(errno.EACCES, "Permission denied", "a.png"),
            "a.png: permission denied",
        ),
        (OSError("a.png: is not a regular file"), "a.png: is not a regular file"),
        (ValueError("a" * 5000), "a" * 2000 + "..."),
        (ImportError("No module named 'absent'"), "No module named 'absent'"),
    ],
)
def test_messages(error: Exception, message: str) -> None:
    assert explain(error) == message


class Model(BaseModel):
    number: int
    words: list[int] = []


def failure(**values: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate(values)
    return caught.value


def test_fields_are_one_line_each_and_not_too_many() -> None:
    text = explain(failure(number=1, words=["x"] * 1000))
    assert text.startswith("words.0: Input should be a valid integer")
    assert len(text.splitlines()) == 11
    assert text.endswith("... and 990 more errors")


def test_what_our_own_error_says_before_the_fields_is_kept() -> None:
    cause = failure()
    error = ValueError(f"a.json: {cause}")
    error.__cause__ = cause
    assert explain(error) == "a.json: number: Field required"


def test_a_value_of_many_aliases_is_never_written_out() -> None:
    bomb: object = "lol"
    for _ in range(30):
        bomb = [bomb] * 9
    # Written out it has 9 ** 30 characters.
    assert explain(failure(number=bomb)) == "number: Input should be a valid integer"
    assert len(shown(bomb)) < 1000


def test_no_warning_is_shown_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # in each command again
        with friendly():
            warnings.warn("too short", stacklevel=1)
            warnings.warn("too short", stacklevel=1)
            warnings.warn("too long", stacklevel=1)
        shown = capsys.readouterr().err.splitlines()
        assert shown == ["Warning: too short", "Warning: too long"]


@pytest.mark.parametrize("kind", [ValueError, OSError])
def test_a_path_is_named_once(kind: type[Exception]) -> None:
    for text in ("a.json: is bad", "is bad"):
        with (
            pytest.raises(kind, match=r"^--schedule a\.json: is bad$"),
            naming("--schedule", Path("a.json")),
        ):
            raise kind(text)


def test_a_closed_pipe_is_left_alone() -> None:
    with pytest.raises(BrokenPipeError), naming("--plot", Path("a.png")):
        raise BrokenPipeError


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", LONG + "a"],
        ["plan", "--size", LONG + "a"],
        ["plan", "--schedule", LONG + ".json"],
        ["plan", LONG, "--schedule", "a.json"],
        ["plan", "--plot", LONG + ".png"],
        ["demo", "--with", LONG],
        ["demo", "--data", LONG],
        ["forecast", "--demo", "--schedule", LONG],
        ["forecast", LONG],
        ["forecast", f"{LONG}.py:make"],
        ["forecast", f"{LONG}:make"],
        ["loading", LONG],
    ],
)
def test_long_values_are_cut(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert 0 < len(result.stderr) < 3000


def test_a_bad_file_is_explained_once(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"kind": "ramp", "finalsize": 224}')
    result = run("plan", "--schedule", str(file), "--total-steps", "10")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"Error: --schedule {file}: Ramp has no field 'finalsize': did you mean "
        "final_size? Its fields are"
    )
    assert result.stderr.count("finalsize") == 1


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["plan", "fastxtnd"], "fastxtend"),
        (["plan", "ffvc-16"], "ffcv-16"),
        (["forecast", "--demo", "--schedule", "compozer"], "composer"),
        (["demo", "--with", "lightening"], "lightning"),
        (["plann"], "plan"),
    ],
)
def test_what_is_likely_meant_is_said(arguments: list[str], meant: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"did you mean '{meant}'?" in result.stderr.lower() or (
        f"did you mean {meant}?" in result.stderr
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("upsize pl", ["plan"]),
        ("upsize plan --inc", ["--increase-by", "--increase-mode"]),
        ("upsize plan mosaic-m", ["mosaic-mild", "mosaic-medium"]),
        ("upsize plan --increase-mode e", ["epoch"]),
        ("upsize plan --schedule fastd", ["fastdinov2"]),
        ("upsize forecast --schedule yo", ["yolox"]),
        ("upsize demo --schedule autop", ["autoprog"]),
        ("upsize demo --with l", ["lightning"]),
        ("upsize copies --plan comp", ["composer"]),
        ("upsize copies --encoding r", ["raw"]),
    ],
)
def test_the_shell_completes_commands_options_and_values(
    words: str, completed: list[str]
) -> None:
    asked = {
        "_UPSIZE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": f"{len(words.split()) - 1}",
    }
    printed = CliRunner().invoke(app, [], env=asked, prog_name="upsize").stdout
    assert printed.split() == completed


COMMANDS = ["plan", "forecast", "demo", "loading", "copies"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_shows_each_text_as_it_is_written(command: str) -> None:
    """Text in angle brackets, asterisks or underscores is markup to what prints it."""
    printed = (
        CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "400"}).output
    )
    for parameter in get_command(app).commands[command].params:  # type: ignore[attr-defined]
        if text := getattr(parameter, "help", None):
            assert text in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_has_no_torn_lines(command: str) -> None:
    printed = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"}).output
    sentences = printed.partition("─")[0].splitlines()
    for line, following in pairwise(map(str.strip, sentences)):
        if line and following and not line.startswith("Usage"):
            word = following.partition(" ")[0]
            assert len(line) + len(word) + 1 > 76, (line, following)
