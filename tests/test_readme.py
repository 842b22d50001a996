"""What the README says works: its example runs, its table names every parameter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upsize.schedule import Ramp

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_ten_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 (8, 3, 32, 32)"
    assert lines[-1] == "7 (8, 3, 64, 64)"


def test_the_table_has_every_parameter_and_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE))
    fields = {name: field.default for name, field in Ramp.model_fields.items()}
    del fields["kind"]
    assert set(rows) == set(fields)
    for name, default in rows.items():
        value = fields[name]
        expected = "" if value is None else str(value).replace("batch", '"batch"')
        assert default == expected, name


def test_ci_runs_the_command_of_the_readme() -> None:
    ci = (Path(__file__).parents[1] / ".ci" / "run").read_text("utf-8")
    (command,) = re.findall(r"```bash\n(pip install nox.*)\n```", README)
    assert ci.splitlines()[-1] == command
