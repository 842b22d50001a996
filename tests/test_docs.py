"""What a reader copies from the documentation into a file runs.

Three kinds of code stand in it. A ``python`` block is a file by itself, and is run
here. The scripts of docs/examples are run: the first ones by a cell of docs/start.md,
which compares what they print, those for several processes in tests/distributed. Cells run in order, from the top of their page, which says so; the
session `docs` executes them. What needs more around it is a ``diff``, or shown as text.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.forked import Script

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(DOCS.glob("*.md")),
]
EXAMPLES = sorted((DOCS / "examples").glob("start_*.py"))
# Of the fences: how a page may show code, commands, output and changes.
KINDS = {"python", "bash", "diff", "yaml", "text", "toml", "json"}
NOTE = "Cells run in order, from the top"
# Its hidden cell runs docs/examples while the documentation is built; what a reader
# copies are the scripts, each with its own command to install.
NO_NOTEBOOK = DOCS / "start.md"
# What parts of upsize need, and the command that a page calls.
PARTS = {"upsize.plot": "matplotlib", "upsize.demo": "elpv_dataset", "!": "typer"}

WRAPPED = [*PAGES, REPOSITORY / "CHANGELOG.md", *sorted(DOCS.glob("*.ipynb"))]
# The end of a sentence, and the first letter of the next one.
NEXT_SENTENCE = re.compile(r"[\w)\]*](?<!^\d)[.!?][)*\"]* [A-Z*\[]")

FENCE = re.compile(r"^(`{3,}|:{3,})(.*)\n(?s:(.*?))^\1$", re.MULTILINE)


def fences(page: Path) -> list[tuple[str, str]]:
    """Return (what is behind the fence, its text) of each block, nested ones too."""
    found = []
    for _, info, text in FENCE.findall(page.read_text("utf-8")):
        found.append((info.strip(), text))
        found += [(i.strip(), t) for _, i, t in FENCE.findall(text)]
    return found


def prose(page: Path) -> list[str]:
    """Return the lines outside of code, tables and pictures; links without address."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        found = json.loads(text)["cells"]
        text = "\n".join(
            "".join(c["source"]) for c in found if c["cell_type"] == "markdown"
        )
    text = re.sub(r"^(`{3,}).*\n(?s:.*?)^\1$", "", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", lambda code: "X" * len(code[0]), text)
    lines = re.sub(r"\]\([^)\n]*\)", "]", text).splitlines()
    return [line for line in lines if not line.startswith(("|", "!["))]


def python_blocks() -> list[tuple[str, str]]:
    """Return (page and number, code) of every block that is to run by itself."""
    return [
        (f"{page.name}-{number}", text)
        for page in PAGES
        for number, (info, text) in enumerate(fences(page))
        if info.split(" ")[0] in {"python", "py", "pycon", "python3"}
    ]


def cells(page: Path) -> str:
    """Return the code of all cells of a page or notebook."""
    if page.suffix == ".ipynb":
        found = json.loads(page.read_text("utf-8"))["cells"]
        return "\n".join(
            "".join(c["source"]) for c in found if c["cell_type"] == "code"
        )
    return "\n".join(text for info, text in fences(page) if info == "{code-cell}")


NOTEBOOKS = [
    page
    for page in [*PAGES, *DOCS.glob("*.ipynb")]
    if cells(page) and page != NO_NOTEBOOK
]


def needs(code: str) -> set[str]:
    """Return the modules outside Python and ours that cells import."""
    lines = code.splitlines()
    magic = [line[0] for line in lines if line.startswith(("!", "%"))]
    tree = ast.parse("\n".join(x for x in lines if not x.startswith(("!", "%", ":"))))
    names = {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    names |= {
        a.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for a in node.names
    }
    parts = {PARTS[name] for name in (*names, *magic) if name in PARTS}
    roots = {name.partition(".")[0] for name in names}
    return (roots | parts) - set(sys.stdlib_module_names) - {"upsize"}


@cache
def owners_of_modules() -> Mapping[str, list[str]]:
    """Return the packages that each module comes with: a second of reading."""
    return metadata.packages_distributions()


@cache
def required(name: str, extra: str) -> list[Requirement]:
    """Return what a package needs with an extra: many pages install the same."""
    if name == "upsize":
        file = REPOSITORY / "pyproject.toml"
        project = tomllib.loads(file.read_text("utf-8"))["project"]
        texts = (
            project["optional-dependencies"][extra]
            if extra
            else project["dependencies"]
        )
    else:
        texts = metadata.requires(name) or []
    found = map(Requirement, texts)
    return [
        one for one in found if not one.marker or one.marker.evaluate({"extra": extra})
    ]


def installed_by(command: str) -> set[str]:
    """Return the modules that come with what a `pip install` names."""
    waiting = [Requirement(text) for text in shlex.split(command)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        one = waiting.pop()
        for extra in {"", *one.extras}:
            key = (one.name.lower().replace("_", "-"), extra)
            if key not in seen:
                seen.add(key)
                waiting += required(one.name, extra)
    names = {name for name, _ in seen}
    return {
        module
        for module, owners in owners_of_modules().items()
        if names & {owner.lower().replace("_", "-") for owner in owners}
    }


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=name) for name, code in python_blocks()]
)
def test_a_block_copied_into_a_file_runs(code: str, tmp_path: Path) -> None:
    file = tmp_path / "copied.py"
    file.write_text(code, "utf-8")
    said, errors = tmp_path / "said", tmp_path / "errors"
    script = Script(file, [], [{}], cwd=tmp_path, stdout=said, stderr=errors)
    assert script.wait(300) == [0], errors.read_text("utf-8")


def test_each_example_has_a_tab_that_marks_what_is_new() -> None:
    page = (DOCS / "start.md").read_text("utf-8")
    shown = re.findall(
        r"```\{literalinclude\} examples/(\w+\.py)\n:language: python\n"
        r":emphasize-lines: ([\d,-]+)\n```",
        page,
    )
    assert sorted(name for name, _ in shown) == [file.name for file in EXAMPLES]
    for name, marked in shown:
        numbers = set()
        for part in marked.split(","):
            first, _, last = part.partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
        lines = (DOCS / "examples" / name).read_text("utf-8").splitlines()
        new = {
            number
            for number, line in enumerate(lines, 1)
            if re.search(r"upsize|\bresize\b|\bRamp\b", line)
        }
        assert numbers == new, name


def test_each_script_for_several_processes_is_shown() -> None:
    page = (DOCS / "distributed.md").read_text("utf-8")
    files = sorted((DOCS / "examples").glob("distributed_*.py"))
    assert len(files) >= 3
    for file in files:
        assert f"{{literalinclude}} examples/{file.name}\n:language: python\n" in page


@pytest.mark.parametrize(
    "page", [*PAGES, *DOCS.glob("*.ipynb")], ids=lambda page: page.name
)
def test_a_page_with_cells_says_how_they_run(page: Path) -> None:
    text = page.read_text("utf-8")
    assert (page in NOTEBOOKS) == (NOTE in text)
    assert (page in NOTEBOOKS) == (f"<{page.stem}.ipynb>" in text)


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_a_shown_cell_is_python_and_commands(page: Path) -> None:
    """A reader who copies it into a file has no %magic there."""
    for info, text in fences(page):
        if info == "{code-cell}" and not text.startswith(
            (":tags: [remove", ":tags: [hide")
        ):
            assert not re.search(r"^%", text, re.MULTILINE), text


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_what_a_page_installs_is_what_its_cells_import(page: Path) -> None:
    text = page.read_text("utf-8").replace('\\"', '"')
    behind = text[text.index(NOTE) :]
    command = re.search(r"pip install ([^`#\n]+)", behind)
    assert command is not None
    assert needs(cells(page)) <= installed_by(command[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_a_kind_that_is_checked(page: Path) -> None:
    for info, text in fences(page):
        assert info in KINDS or info.startswith("{"), (info, text)


def test_only_extras_that_exist_are_named() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    extras = set(project["project"]["optional-dependencies"])
    for page in PAGES:
        for names in re.findall(
            r'"(?:upsize|\.)\[([\w,]+)\]"', page.read_text("utf-8")
        ):
            assert set(names.split(",")) <= extras, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("https://", "#")):
            continue
        target = page.parent / link.partition("#")[0]
        assert target.exists() or target.with_suffix(".md").exists(), link


def test_every_page_is_in_the_table_of_contents() -> None:
    reference = DOCS / "api"
    listed = {
        (index.parent / line).relative_to(DOCS).as_posix()
        for index in (DOCS / "index.md", reference / "index.md")
        for info, text in fences(index)
        if info == "{toctree}"
        for line in text.splitlines()
        if line and not line.startswith(":")
    }
    pages = {
        page.relative_to(DOCS).as_posix().removesuffix(page.suffix)
        for page in (*DOCS.glob("*.md"), *DOCS.glob("*.ipynb"), *reference.glob("*.md"))
    }
    assert listed == pages - {"index"}


@pytest.mark.parametrize("page", WRAPPED, ids=lambda page: page.name)
def test_prose_has_one_sentence_a_line_below_100_columns(page: Path) -> None:
    lines = prose(page)
    assert [line for line in lines if len(line) >= 100] == []
    assert [line for line in lines if NEXT_SENTENCE.search(line)] == []


def test_the_versions_in_the_faq_are_those_of_the_extras() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    page = (DOCS / "faq.md").read_text("utf-8").replace("PyTorch", "torch")
    (line,) = re.findall(r"^Python 3\..*, or newer\.$", page, re.MULTILINE)
    said = {name.lower(): at for name, at in re.findall(r"(\w+) (\d[\d.]*\d|\d)", line)}
    extras = project["optional-dependencies"]
    pins = {"python": project["requires-python"]}
    for name in ("torch", "fastai", "lightning", "accelerate", "transformers"):
        (pins[name],) = (pin for pin in extras[name] if re.match(rf"{name}\W", pin))
    assert said == {name: pin.partition(">=")[2] for name, pin in pins.items()}


def test_the_messages_in_the_faq_are_ours() -> None:
    sources = "\n".join(
        file.read_text("utf-8")
        for root in ("core", "adapters")
        for file in (REPOSITORY / root).rglob("*.py")
    )
    # Literals that Python joins, as one.
    text = re.sub(r"[\"']\s*\n\s*(?:\+ )?f?[\"']", "", sources)
    page = (DOCS / "faq.md").read_text("utf-8")
    quoted = re.findall(r'^\| "([^"|]+)"', page, re.MULTILINE)
    assert len(quoted) > 5
    for part in (part for message in quoted for part in message.split(" ... ")):
        assert part.removesuffix(" ...").strip() in text, part
