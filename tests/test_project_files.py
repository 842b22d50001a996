"""The files beside the code: workflows call sessions that exist, versions agree."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
YAML = [
    *WORKFLOWS,
    *sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml")),
    REPOSITORY / ".github" / "dependabot.yml",
    REPOSITORY / ".pre-commit-config.yaml",
    REPOSITORY / "CITATION.cff",
]
PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["project"]["classifiers"]
    if re.search(r"Python :: 3\.\d+$", line)
]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def sessions() -> set[str]:
    """The functions of noxfile.py that are decorated as sessions."""
    tree = ast.parse((REPOSITORY / "noxfile.py").read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(each) for each in node.decorator_list)
    }


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_it_is_yaml(path: Path) -> None:
    assert isinstance(read(path), dict)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_sessions_that_exist(path: Path) -> None:
    steps = [step for job in read(path)["jobs"].values() for step in job["steps"]]
    called = [
        session.partition("-")[0]
        for step in steps
        for names in re.findall(r"^nox -s (.+)$", step.get("run", ""), re.MULTILINE)
        for session in re.sub(r"\$\{\{.*?\}\}", "", names).split()
    ]
    assert set(called) <= sessions()
    assert all(
        re.search(r"@(v\d|release/v\d)", s["uses"]) for s in steps if "uses" in s
    )


def test_every_gating_session_and_python_is_run() -> None:
    text = "\n".join(path.read_text("utf-8") for path in WORKFLOWS)
    gating = re.search(
        r"(?s)nox.options.sessions = (\[.*?\])",
        (REPOSITORY / "noxfile.py").read_text("utf-8"),
    )
    assert gating is not None
    for session in ast.literal_eval(gating[1]):
        assert re.search(rf"nox -s .*\b{session}\b", text), session
    ci = read(REPOSITORY / ".github" / "workflows" / "ci.yml")
    assert ci["jobs"]["tests"]["strategy"]["matrix"]["python"] == PYTHONS


def test_the_citation_is_of_this_version() -> None:
    citation = read(REPOSITORY / "CITATION.cff")
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["repository-code"] == PROJECT["project"]["urls"]["Repository"]
    assert citation["url"] == PROJECT["project"]["urls"]["Documentation"]


def test_the_container_installs_what_exists() -> None:
    folder = REPOSITORY / ".devcontainer"
    found = json.loads((folder / "devcontainer.json").read_text("utf-8"))
    assert (folder / found["build"]["dockerfile"]).exists()
    groups = re.findall(r"--group (\w+)", found["postCreateCommand"])
    assert set(groups) <= set(PROJECT["dependency-groups"])
