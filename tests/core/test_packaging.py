"""The shape of the house: two source roots of one namespace package."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from pathlib import Path

import pytest

import upsize

ROOT = Path(__file__).parents[2]
ROOTS = [ROOT / "core" / "upsize", ROOT / "adapters" / "upsize"]
FRAMEWORKS = {"accelerate", "fastai", "lightning", "transformers"}


def modules() -> list[str]:
    return sorted(
        module.name
        for module in pkgutil.walk_packages(upsize.__path__, "upsize.")
        if not module.name.endswith("__main__")
    )


def test_both_roots_are_portions_of_one_namespace() -> None:
    assert {Path(path).resolve() for path in upsize.__path__} == set(ROOTS)
    for root in ROOTS:
        assert not (root / "__init__.py").exists()
        assert (root / "py.typed").exists()
        assert [path.name for path in root.parent.iterdir()] == ["upsize"]


def test_every_folder_below_is_a_package() -> None:
    # ruff's INP001 does not see a missing __init__.py below a namespace package.
    for root in ROOTS:
        for folder in (path for path in root.rglob("*") if path.is_dir()):
            if folder.name != "__pycache__":
                assert (folder / "__init__.py").exists(), folder


def test_every_adapter_is_typed() -> None:
    adapters = {p.name for p in ROOTS[1].iterdir() if p.is_dir()} - {"__pycache__"}
    assert adapters == FRAMEWORKS
    for name in adapters:
        assert (ROOTS[1] / name / "py.typed").exists()


@pytest.mark.parametrize("name", modules())
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, name
    assert isinstance(module.__all__, list)
    for public in module.__all__:
        assert hasattr(module, public), (name, public)
        value = getattr(module, public)
        if callable(value) and not name.rpartition(".")[2].startswith("_"):
            assert value.__doc__, (name, public)


def test_the_version_is_in_the_changelog() -> None:
    version = importlib.metadata.version("upsize")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
