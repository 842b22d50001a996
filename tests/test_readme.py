"""What the README says works: its example runs, its links lead to pages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from upsize.schedule import Ramp

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
SCHEDULES = (REPOSITORY / "docs" / "schedules.md").read_text("utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
SITE = PROJECT["project"]["urls"]["Documentation"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_the_ten_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 (8, 3, 32, 32)"
    assert lines[-1] == "7 (8, 3, 64, 64)"


def test_the_table_has_every_parameter_and_its_default() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", SCHEDULES, re.MULTILINE)
    )
    fields = {name: field.default for name, field in Ramp.model_fields.items()}
    del fields["kind"]
    assert set(rows) == set(fields)
    for name, default in rows.items():
        value = fields[name]
        expected = "" if value is None else str(value).replace("batch", '"batch"')
        assert default == expected, name


def test_it_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) < 120


def test_its_links_lead_to_pages_of_the_site() -> None:
    links = [link for link in LINK.findall(README) if link.startswith(SITE)]
    assert len(links) > 5
    for link in links:
        page = link.removeprefix(SITE).removesuffix(".html") or "index"
        assert (REPOSITORY / "docs" / f"{page}.md").exists(), link


def test_a_package_index_shows_its_pictures_and_links() -> None:
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = README
    for each in hook["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    relative = [link for link in LINK.findall(README) if "://" not in link]
    assert "docs/images/growing.jpg" in relative
    assert [link for link in LINK.findall(text) if "://" not in link] == []
    source = PROJECT["project"]["urls"]["Repository"]
    raw = source.replace("github.com", "raw.githubusercontent.com")
    assert f"]({raw}/main/docs/images/growing.jpg)" in text
    assert f"]({source}/blob/main/LICENSE)" in text


def test_ci_runs_the_command_of_the_readme() -> None:
    ci = (REPOSITORY / ".ci" / "run").read_text("utf-8")
    (command,) = re.findall(r"```bash\n(pip install nox.*)\n```", README)
    assert ci.splitlines()[-1] == command
