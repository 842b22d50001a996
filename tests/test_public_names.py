"""Every public name stands in the API reference, and shows how it is used."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.absent import ABSENT

import upsize

REPOSITORY = Path(__file__).parents[1]
API = "\n".join(
    page.read_text("utf-8")
    for page in sorted((REPOSITORY / "docs" / "api").glob("*.md"))
)

# A directive that documents a name, by sphinx.ext.autodoc or by itself, and its options.
DIRECTIVE = re.compile(r"^\.\. (?:auto)?(\w+):: (\S+)\n((?: +:.*\n)*)", re.MULTILINE)

# Public, and without an example of its own: why.
RESULT = "what a function returns, whose example shows it"
NO_EXAMPLE = {
    "upsize.cli.main": "the command; docs/command.md runs it",
    "upsize.detection.FollowDetector": RESULT,
    "upsize.loading.CopiesEstimate": RESULT,
    "upsize.loading.CopiesReport": RESULT,
    "upsize.models.Adaptation": RESULT,
    "upsize.models.PrewarmReport": RESULT,
    "upsize.models.PrewarmRow": RESULT,
    "upsize.run.Counter": "a protocol; docs/adapter.md writes one",
    "upsize.resize.ParsedBatch": RESULT,
}


def public_modules() -> list[ModuleType]:
    roots = [path for path in upsize.__path__ if Path(path).is_relative_to(REPOSITORY)]
    names = [
        module.name
        for module in pkgutil.walk_packages(roots, "upsize.")
        if module.name not in ABSENT
        and not any(part.startswith("_") for part in module.name.split("."))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the frameworks' imports
        return [importlib.import_module(name) for name in names]


MODULES = public_modules()
NAMES = [f"{module.__name__}.{name}" for module in MODULES for name in module.__all__]


def resolve(name: str) -> Any:
    """Return the object that a dotted name means."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        parent, _, last = name.rpartition(".")
        return getattr(resolve(parent), last)


def documented(api: str) -> set[str]:
    """Return the dotted names that the reference documents."""
    names = set()
    for kind, name, options in DIRECTIVE.findall(api):
        if ABSENT & {name, name.rpartition(".")[0]}:
            continue  # cannot be looked at here
        names.add(name)
        if kind != "module":
            continue
        members = re.search(r":members:(.*)", options)
        if members is None:
            continue
        listed = members[1].replace(" ", "")
        every = listed.split(",") if listed else resolve(name).__all__
        names |= {f"{name}.{member}" for member in every}
    return names


def test_every_public_module_says_what_is_public() -> None:
    assert [m.__name__ for m in MODULES if not hasattr(m, "__all__")] == []
    assert len(NAMES) > 50


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_stands_in_the_reference(name: str) -> None:
    assert name in documented(API)


@pytest.mark.parametrize("name", sorted(documented(API)))
def test_what_the_reference_documents_is_public(name: str) -> None:
    parent, _, last = name.rpartition(".")
    module = resolve(parent)
    assert isinstance(resolve(name), ModuleType) or last in module.__all__


def test_a_missing_name_is_found() -> None:
    without = API.replace(".. autofunction:: upsize.models.check\n", "")
    assert documented(API) - documented(without) == {"upsize.models.check"}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_shows_how_it_is_used(name: str) -> None:
    thing = resolve(name)
    if not callable(thing) and not isinstance(thing, type):
        return  # data, a module
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    assert (">>>" in text) != (name in NO_EXAMPLE), name


def test_no_reason_is_left_over() -> None:
    assert set(NO_EXAMPLE) <= set(NAMES)
