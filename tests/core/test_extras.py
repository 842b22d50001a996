"""Which extra installs what is missing; and nothing about extras where it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from upsize._extras import require


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "installed"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("import lacking.part", "utf-8")
    (package / "old.py").write_text("from installed import gone", "utf-8")
    (tmp_path / "lacking.py").touch()
    monkeypatch.syspath_prepend(tmp_path)


def test_what_is_installed_is_imported() -> None:
    require("installed", "torch", "Loaders")


@pytest.mark.parametrize("module", ["absent", "absent.part", "installed.absent"])
def test_what_is_missing_names_its_extra(module: str) -> None:
    with pytest.raises(ImportError) as caught:
        require(module, "torch", "Loaders")
    assert str(caught.value) == 'Loaders need an extra: pip install "upsize[torch]"'


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("installed.broken", "No module named 'lacking.part'"),
        ("installed.old", "cannot import name 'gone' from 'installed'"),
    ],
)
def test_what_an_installed_module_lacks_is_its_own_error(
    module: str, message: str
) -> None:
    with pytest.raises(ImportError, match=message):
        require(module, "torch", "Loaders")


def test_a_name_that_begins_alike_is_another_module(tmp_path: Path) -> None:
    (tmp_path / "torchlike.py").write_text("import torchli", "utf-8")
    with pytest.raises(ModuleNotFoundError, match="No module named 'torchli'"):
        require("torchlike", "torch", "Loaders")
