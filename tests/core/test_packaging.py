"""The shape of the house: two source roots of one package, and its face."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import pkgutil
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.absent import ABSENT

import upsize
from upsize._face import _ELSEWHERE

ROOT = Path(__file__).parents[2]
ROOTS = [ROOT / "core" / "upsize", ROOT / "adapters" / "upsize"]
FRAMEWORKS = {"accelerate", "fastai", "lightning", "ray", "transformers"}


def modules() -> list[str]:
    return sorted(
        module.name
        for module in pkgutil.walk_packages(upsize.__path__, "upsize.")
        if not module.name.endswith("__main__") and module.name not in ABSENT
    )


def test_both_roots_are_halves_of_one_package() -> None:
    assert {Path(path).resolve() for path in upsize.__path__} == set(ROOTS)
    # Of two different ones, the first root on the path would decide.
    first, second = (root / "__init__.py" for root in ROOTS)
    assert first.read_bytes() == second.read_bytes()
    for root in ROOTS:
        assert (root / "py.typed").exists()
        assert [path.name for path in root.parent.iterdir()] == ["upsize"]


def test_every_folder_below_is_a_package() -> None:
    for root in ROOTS:
        for folder in (path for path in root.rglob("*") if path.is_dir()):
            if folder.name != "__pycache__":
                assert (folder / "__init__.py").exists(), folder


def test_every_adapter_is_typed() -> None:
    adapters = {p.name for p in ROOTS[1].iterdir() if p.is_dir()} - {"__pycache__"}
    assert adapters == FRAMEWORKS
    for name in adapters:
        assert (ROOTS[1] / name / "py.typed").exists()


FIRST = """
import sys
from importlib.util import find_spec
import upsize.schedule
from upsize import Ramp
assert not {"torch", "numpy"} & set(sys.modules)
print(Ramp is upsize.schedule.Ramp, upsize.__path__[0])
# Found, and not imported: both bring torch.
print(*(find_spec(f"upsize.{name}").origin for name in ("loop", "accelerate")))
"""


@pytest.mark.parametrize("roots", [ROOTS, ROOTS[::-1]], ids=["core", "adapters"])
def test_either_root_may_come_first_on_the_path(
    roots: list[Path], tmp_path: Path
) -> None:
    # A folder of the user's own that has our name is no part of the package.
    (tmp_path / "upsize" / "loop").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", FIRST],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(root.parent) for root in roots),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"True {roots[0]}",
        f"{ROOTS[0] / 'loop.py'} {ROOTS[1] / 'accelerate' / '__init__.py'}",
    ]


def test_the_package_shows_what_is_in_it() -> None:
    assert upsize.__version__ == importlib.metadata.version("upsize")
    assert set(upsize.__all__) <= set(dir(upsize))
    text = pydoc.plain(pydoc.render_doc(upsize))
    assert "Progressive resizing for PyTorch" in text
    rooms = {name.split(".")[1] for name in modules() if not name.count("_")}
    # A user calls the command and the demo, and does not import them.
    for room in rooms - {"cli", "demo", "run"}:
        assert f"upsize.{room}" in (upsize.__doc__ or ""), room


def test_without_installation_there_is_no_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("upsize._face.version", missing)
    assert not hasattr(upsize, "__version__")
    with pytest.raises(AttributeError, match="pip install upsize"):
        _ = upsize.__version__


@pytest.mark.parametrize("name", ["nothing", "_nothing", "__wrapped__"])
def test_what_is_not_in_the_package_is_no_attribute(name: str) -> None:
    assert not hasattr(upsize, name)


@pytest.mark.parametrize("name", _ELSEWHERE)
def test_a_name_of_a_room_is_shown_the_way(name: str) -> None:
    with pytest.raises(
        AttributeError, match=f"upsize has no {name}: import it"
    ) as error:
        getattr(upsize, name)
    for room in re.findall(r"upsize\.\w+", str(error.value)):
        assert hasattr(importlib.import_module(room), name), room


def test_a_room_without_its_extra_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"{name} needs torch", name="torch")

    monkeypatch.setattr("upsize._face.import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="torch"):
        _ = upsize.anything


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
