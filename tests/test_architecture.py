"""The check of imports finds what it is there to find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.architecture import REPOSITORY, check

# Modules of a made-up house that is right: arrows point down.
HOUSE = {
    "core/upsize/_extras.py": "",
    "core/upsize/schedule/__init__.py": "from upsize.schedule._ramp import Ramp",
    "core/upsize/schedule/_ramp.py": "from upsize._extras import require",
    "core/upsize/resize/__init__.py": "from upsize.schedule import Ramp",
    "core/upsize/run/__init__.py": "",
    "core/upsize/loop.py": "import upsize.run, upsize.follow",
    "core/upsize/follow/__init__.py": "",
    "core/upsize/cli/__init__.py": (
        "from importlib import import_module\n"
        "TABLE = ('fastai',)\n"
        "def runner(name):\n"
        "    return import_module(f'upsize.{name}._demo')"
    ),
    "core/upsize/demo/__init__.py": "from upsize import loop",
    "adapters/upsize/fastai/__init__.py": "from upsize.run import x\nimport fastai",
    "adapters/upsize/fastai/_demo.py": "import upsize.fastai, upsize.demo",
    "adapters/upsize/accelerate/__init__.py": "import upsize.schedule",
    "adapters/upsize/transformers/__init__.py": "import upsize.accelerate",
}


def faults(folder: Path, changes: dict[str, str]) -> list[str]:
    """Return what is wrong with the made-up house after changes to its files."""
    for name, code in (HOUSE | changes).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code, "utf-8")
    return check(folder)


def test_nothing_is_wrong_here() -> None:
    script = REPOSITORY / "tests" / "architecture.py"
    # Isolated, as in `lint`: without upsize or what it needs.
    command = [sys.executable, "-I", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_right_house_has_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("module", "code", "imported"),
    [
        pytest.param(
            *("schedule/_ramp", "import upsize.resize", "upsize.resize"),
            id="upwards",
        ),
        pytest.param(
            *("schedule/_ramp", "from upsize import resize", "upsize.resize"),
            id="from the namespace",
        ),
        pytest.param(
            *("schedule/_ramp", "from ..resize import x", "upsize.resize"),
            id="relative",
        ),
        pytest.param(
            *("schedule/__init__", "from ..resize import x", "upsize.resize"),
            id="relative to a package",
        ),
        pytest.param(
            *("schedule/_ramp", "def f():\n    import upsize.cli", "upsize.cli"),
            id="lazy",
        ),
        pytest.param(
            "schedule/_ramp",
            "if TYPE_CHECKING:\n    from upsize.loop import x",
            "upsize.loop",
            id="for type checkers",
        ),
        pytest.param(
            *("demo/_run", "from upsize.fastai import x", "upsize.fastai"),
            id="an adapter",
        ),
        pytest.param(
            *("demo/_run", "import_module('upsize.fastai')", "upsize.fastai"),
            id="an adapter by name",
        ),
        pytest.param(
            *("demo/_run", "TABLE = {'f': 'upsize.fastai._demo:train'}"),
            "upsize.fastai._demo",
            id="an adapter in a table",
        ),
        pytest.param(
            *("demo/_run", "import_module(f'upsize.fastai.{x}')", "upsize.fastai"),
            id="an adapter, its module computed",
        ),
        pytest.param(
            *("_extras", "import upsize.schedule", "upsize.schedule"),
            id="what all import",
        ),
    ],
)
def test_a_forbidden_import_in_the_core_is_found(
    module: str, code: str, imported: str, tmp_path: Path
) -> None:
    # What leads up often closes a circle as well.
    fault, *_ = faults(tmp_path, {f"core/upsize/{module}.py": code})
    importer = module.removesuffix("/__init__").replace("/", ".")
    line = code.count("\n") + 1
    place = f"{tmp_path / 'core' / 'upsize' / module}.py:{line}"
    assert fault.startswith(f"{place}: upsize.{importer} must not import {imported}:")


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("fastai/_data", "upsize.loop"),
        ("fastai/_data", "upsize.demo"),
        ("fastai/_data", "upsize.accelerate"),
        ("fastai/_demo", "upsize.cli"),
    ],
)
def test_a_forbidden_import_in_an_adapter_is_found(
    module: str, imported: str, tmp_path: Path
) -> None:
    code = f"import {imported}"
    (fault,) = faults(tmp_path, {f"adapters/upsize/{module}.py": code})
    assert f"must not import {imported}:" in fault


@pytest.mark.parametrize(
    "code",
    [
        "# import upsize.cli",
        "raise ValueError(f'upsize.cli.x needs {more}, upsize.cli as well')",
        "raise ValueError(f'{__name__} has no {name}')",
        "FILE = 'upsize.json'",
        "import os.path, upsize.schedule._ramp",
        "from . import _run",
    ],
)
def test_what_is_no_forbidden_import_is_left_alone(code: str, tmp_path: Path) -> None:
    assert faults(tmp_path, {"core/upsize/resize/_run.py": code}) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("import upsize.follow._b", "from upsize.follow import _a"),
        ("from upsize.follow._b import x", "def f():\n    import upsize.follow._a"),
        ("import upsize.follow._b", "NAMES = ['upsize.follow._a']"),
        (
            "import upsize.follow._b",
            "KINDS = ['a', 'b']\ndef f(x):\n    import_module(f'upsize.follow._{x}')",
        ),
    ],
)
def test_a_circle_of_modules_is_found(first: str, second: str, tmp_path: Path) -> None:
    folder = "core/upsize/follow"
    (fault,) = faults(tmp_path, {f"{folder}/_a.py": first, f"{folder}/_b.py": second})
    assert fault.startswith("a circle of imports, one of 2 modules:\n")
    assert "upsize.follow._a imports upsize.follow._b" in fault
    assert "upsize.follow._b imports upsize.follow._a" in fault


def test_a_circle_through_a_front_door_is_found(tmp_path: Path) -> None:
    door = (
        "TABLE = {'x': '_a'}\n"
        "def __getattr__(name):\n"
        "    return import_module(f'{__name__}.{TABLE[name]}')"
    )
    inside = "from upsize.follow import x"
    (fault,) = faults(
        tmp_path,
        {"core/upsize/follow/__init__.py": door, "core/upsize/follow/_a.py": inside},
    )
    assert "upsize.follow imports upsize.follow._a" in fault
    assert "upsize.follow._a imports upsize.follow" in fault


def test_a_circle_of_three_is_found_once(tmp_path: Path) -> None:
    (fault,) = faults(
        tmp_path,
        {
            f"core/upsize/follow/_{one}.py": f"import upsize.follow._{other}"
            for one, other in ("ab", "bc", "ca", "da")
        },
    )
    assert fault.count(" imports ") == 3


@pytest.mark.parametrize("room", ["", "loading/"])
def test_a_circle_of_packages_is_found(room: str, tmp_path: Path) -> None:
    # No module of it is in a circle.
    first, second = (f"{room}loading", f"{room}models")
    names = [name.replace("/", ".") for name in (first, second)]
    (fault,) = faults(
        tmp_path,
        {
            f"core/upsize/{first}/_a.py": f"import upsize.{names[1]}._b",
            f"core/upsize/{first}/_c.py": "",
            f"core/upsize/{second}/_d.py": f"import upsize.{names[0]}._c",
            f"core/upsize/{second}/_b.py": "",
        },
    )
    assert f"upsize.{names[0]} imports upsize.{names[1]}" in fault
    assert f"upsize.{names[1]} imports upsize.{names[0]}" in fault


def test_a_room_without_a_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the room attic is not in LAYERS"):
        faults(tmp_path, {"core/upsize/attic.py": "import upsize.schedule"})
