"""The files beside the code: workflows call sessions that exist, versions agree."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from fnmatch import fnmatchcase
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
    REPOSITORY / ".readthedocs.yaml",
    REPOSITORY / "CITATION.cff",
]
NOXFILE = (REPOSITORY / "noxfile.py").read_text("utf-8")
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["project"]["classifiers"]
    if re.search(r"Python :: 3\.\d+$", line)
]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def sessions() -> set[str]:
    """The functions of noxfile.py that are decorated as sessions."""
    return {
        node.name
        for node in ast.walk(ast.parse(NOXFILE))
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


def gating() -> list[str]:
    """The sessions that `nox` runs by default."""
    listed = re.search(r"(?s)nox.options.sessions = (\[.*?\])", NOXFILE)
    assert listed is not None
    return list(ast.literal_eval(listed[1]))


def test_every_gating_session_and_python_is_run() -> None:
    text = "\n".join(path.read_text("utf-8") for path in WORKFLOWS)
    for session in gating():
        assert re.search(rf"nox -s .*\b{session}\b", text), session
    ci = read(REPOSITORY / ".github" / "workflows" / "ci.yml")
    assert ci["jobs"]["tests"]["strategy"]["matrix"]["python"] == PYTHONS


def test_contributors_are_told_of_every_other_session_and_benchmark() -> None:
    called = set(re.findall(r"nox -s ([a-z_ ]+)", CONTRIBUTING))
    told = {name for names in called for name in names.split()}
    assert sessions() - {*gating(), "everything"} <= told <= sessions()
    folder = REPOSITORY / "tests" / "benchmarks"
    paths = [*folder.glob("*.py"), *folder.glob("*/__main__.py")]
    started = {
        path.parent.name if path.stem == "__main__" else path.stem
        for path in paths
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    assert started == set(re.findall(r"tests\.benchmarks\.(\w+)", CONTRIBUTING))


def test_hooks_lint_with_the_version_of_the_session() -> None:
    (repository,) = read(REPOSITORY / ".pre-commit-config.yaml")["repos"]
    versions = [hook.get("additional_dependencies") for hook in repository["hooks"]]
    lint = PROJECT["dependency-groups"]["lint"]
    assert [each for each in versions if each is not None] == [lint, lint]


def test_the_hosted_site_is_built_like_ours() -> None:
    hosted = read(REPOSITORY / ".readthedocs.yaml")
    docs = read(REPOSITORY / ".github" / "workflows" / "docs.yml")
    (python,) = (
        step["with"]["python-version"]
        for step in docs["jobs"]["build"]["steps"]
        if "setup-python" in step.get("uses", "")
    )
    assert hosted["build"]["tools"]["python"] == python
    _, command = hosted["build"]["jobs"]["install"]
    extras = re.search(r'"(\.\[.*?\])"', command)
    assert extras is not None
    assert f'"{extras[1]}"' in NOXFILE
    groups = re.findall(r"--group (\w+)", command)
    assert {"test", "docs"} == set(groups)


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
    (extra,) = re.findall(r"\.\[(\w+)\]", found["postCreateCommand"])
    assert extra in PROJECT["project"]["optional-dependencies"]
    image = re.match(r"FROM python:(.+)", (folder / "Dockerfile").read_text("utf-8"))
    assert image is not None
    assert image[1] in PYTHONS


def test_the_source_archive_has_what_its_tests_and_its_site_read() -> None:
    build = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]
    folders = [REPOSITORY / ".ci", REPOSITORY / ".devcontainer"]
    read = [*YAML, *REPOSITORY.glob("*.md"), *folders]
    tops = {f"/{path.relative_to(REPOSITORY).parts[0]}" for path in read}
    assert {
        top
        for top in tops
        if not any(fnmatchcase(top, pattern) for pattern in build["include"])
    } == set()
