"""Every check of the project: `nox` runs those that gate, in this order."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "core", "types", "tests", "docs", "package"]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = ["3.11", "3.12", "3.13"]
ROOTS = ["core", "adapters"]
SOURCES = [*ROOTS, "tests", "docs", "noxfile.py"]

# Of the wheel: all that is in it is code, a quarter of it docstrings.
MOST_BYTES = 650_000

# One environment with torch serves all sessions that need them: it holds
# several gigabytes.
EVERYTHING = Path(".nox", "everything")


def _python(session: nox.Session) -> str:
    """Return the interpreter of the environment that the session `everything` made."""
    folder = "Scripts" if sys.platform == "win32" else "bin"
    del session
    return str(EVERYTHING / folder / "python")


@nox.session(default=False, reuse_venv=True)
def everything(session: nox.Session) -> None:
    """Install the project, the demo and every tool, once for all sessions below."""
    groups = ["test", "types", "docs"]
    session.install(
        *("--no-compile", "-e"),
        ".[demo,fastai,lightning,accelerate,transformers,jpeg]",
        *(f"--group={group}" for group in groups),
    )
    # pip compiles in one process, and this in one for each core. Before tests import
    # the files: there the warnings of other projects' code would be errors.
    session.run(
        *("python", "-m", "compileall", "-q", "-j", "0", str(EVERYTHING)),
        env={"PYTHONWARNINGS": "ignore"},
        success_codes=[0, 1],  # a few files of other projects are templates
        silent=True,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, and that the modules' imports point down."""
    session.install("--group=lint")
    session.run("ruff", "format", "--check", *SOURCES)
    session.run("ruff", "check", *SOURCES)
    session.run("python", "tests/architecture.py")


@nox.session(python=PYTHONS)
def core(session: nox.Session) -> None:
    """Test the scheduler where there is neither torch nor NumPy."""
    session.install("-e", ".", "--group=core")
    session.run("pytest", "tests/core/schedule", "-n", "2", "-p", "no:cacheprovider")


@nox.session(venv_backend="none", requires=["everything"])
def types(session: nox.Session) -> None:
    """Check types with mypy --strict and with pyright."""
    python = _python(session)
    commands = [["mypy"], ["pyright", "--pythonpath", python]]
    with ThreadPoolExecutor() as pool:  # side by side: each needs one core
        list(
            pool.map(
                lambda command: session.run(python, "-m", *command, external=True),
                commands,
            )
        )


@nox.session(venv_backend="none", requires=["everything"])
def tests(session: nox.Session) -> None:
    """Run every test against the real frameworks; all lines and branches covered."""
    session.run(
        _python(session),
        *("-m", "pytest", "--ignore=tests/benchmarks", "--ignore=tests/fuzz"),
        # In three processes, since many tests wait for others that they start; a file
        # is run by one of them, with what it shares.
        # Files are run in the order of their names, whose last ones are quick; by itself
        # xdist ends with those of few tests, which are the slow ones.
        *("-n", "3", "--dist=loadfile", "--no-loadscope-reorder", "--durations=10"),
        *("--cov", "--cov-report=term", "--cov-fail-under=100"),
        *session.posargs,
        external=True,
    )


@nox.session(default=False, venv_backend="none", requires=["everything"])
def fuzz(session: nox.Session) -> None:
    """Search for faults with random input; UPSIZE_FUZZ_SECONDS says how long."""
    session.run(
        _python(session),
        *("-m", "pytest", "tests/fuzz", "--durations=10"),
        *session.posargs,
        env={"UPSIZE_FUZZ_SECONDS": os.environ.get("UPSIZE_FUZZ_SECONDS", "300")},
        external=True,
    )


@nox.session(venv_backend="none", requires=["everything"])
def docs(session: nox.Session) -> None:
    """Build the documentation, its examples executed; warnings are errors."""
    shutil.rmtree("docs/_build", ignore_errors=True)
    session.run(
        _python(session),
        *("-m", "sphinx", "-j", "3", "-W", "--keep-going", "-b", "html", "docs"),
        "docs/_build/html",
        external=True,
    )
    session.run(
        _python(session), "tests/built_site.py", "docs/_build/html", external=True
    )


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel; install the wheel alone and import it."""
    session.install("--group=package")
    folder = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder), silent=True)
    (wheel,) = folder.glob("*.whl")
    size = wheel.stat().st_size
    session.log(f"{wheel.name}: {size / 1000:.0f} kB")
    with zipfile.ZipFile(wheel) as contents:
        names = [n for n in contents.namelist() if ".dist-info/" not in n]
    if other := [n for n in names if not n.endswith((".py", "/py.typed"))]:
        session.error(f"the wheel holds more than code: {', '.join(other)}")
    if size > MOST_BYTES:
        session.error(f"the wheel is larger than {MOST_BYTES / 1000:.0f} kB")
    session.install("--force-reinstall", str(wheel))
    session.run("twine", "check", "--strict", *map(str, folder.iterdir()))
    with session.chdir(folder):
        session.run("python", "-P", "-c", SMOKE)
        session.run("python", "-P", "-c", MISSING)
        # The types of the installed wheel, as a user's own check sees them.
        Path("user.py").write_text(USER, "utf-8")
        session.run("mypy", "--strict", "user.py")
        # Without its extra the command says how to get it, and fails.
        session.run("upsize", success_codes=[1])
        session.run("python", "-P", "-m", "upsize", success_codes=[1])
    with ThreadPoolExecutor() as pool:
        rooms = list(pool.map(lambda extra: _room(session, wheel, extra), SMALL_EXTRAS))
    for room, examples in zip(rooms, SMALL_EXTRAS.values(), strict=True):
        _use(session, room, *examples)


def _room(session: nox.Session, wheel: Path, extra: str) -> Path:
    """Install the wheel with an extra alone in a fresh environment, outside of the clone."""
    room = Path(session.create_tmp()).resolve() / f"room-{extra}"
    session.run("python", "-m", "venv", "--clear", str(room), silent=True)
    python = str(room.joinpath(*_BIN, "python"))
    install = [python, "-m", "pip", "install", "-q", f"{wheel}[{extra}]"]
    session.run(*install, external=True, silent=True)
    return room


def _use(session: nox.Session, room: Path, *examples: list[str]) -> None:
    """Run examples in an environment, which is deleted afterwards."""
    with session.chdir(room.parent):
        for example in examples:
            python = str(room.joinpath(*_BIN, "python"))
            session.run(python, "-P", *example, external=True)
    shutil.rmtree(room)


SMOKE = """
import sys
from importlib.metadata import version
import upsize
from upsize import Ramp

assert upsize.__version__ == version("upsize")
assert Ramp is upsize.schedule.Ramp
plan = Ramp(final_size=224, increase_by=56).plan(epochs=20, steps_per_epoch=147)
assert [size.height for size in plan.sizes] == [112, 168, 224]
assert not {"torch", "numpy"} & set(sys.modules)
print("upsize", version("upsize"), "from", sys.modules["upsize.schedule"].__file__)
"""


USER = """
from upsize import Ramp
from upsize.schedule import Plan, Size

plan: Plan = Ramp(final_size=224).plan(epochs=20, steps_per_epoch=147)
size: Size = plan.size_at(0)
side: int = size.height
"""


# What needs an extra says so by the command that installs it.
MISSING = """
from importlib import import_module
from importlib.util import find_spec

for module, extra in {
    "resize": "torch", "loop": "torch", "loading": "torch", "models": "torch",
    "detection": "torch", "forecast": "torch", "plot": "plot", "fastai": "fastai",
    "accelerate": "accelerate", "transformers": "transformers", "ray": "ray",
}.items():
    try:
        import_module(f"upsize.{module}")
    except ImportError as error:
        assert f'pip install "upsize[{extra}]"' in str(error), (module, str(error))
    else:
        raise AssertionError(f"upsize.{module} was imported without {extra}")
try:
    from upsize.lightning import ProgressiveResize
except ImportError as error:
    assert 'pip install "upsize[lightning]"' in str(error), str(error)
else:
    raise AssertionError("upsize.lightning gave a callback without Lightning")
"""

_BIN = ("Scripts",) if sys.platform == "win32" else ("bin",)

# The extras without torch: each alone in an environment, and what it is for.
SMALL_EXTRAS = {
    "yaml": [
        [
            "-c",
            "from upsize.schedule import Ramp, dump, load\n"
            "dump(Ramp(final_size=224), 'a.yaml')\n"
            "assert load('a.yaml') == Ramp(final_size=224)",
        ]
    ],
    "plot": [
        [
            "-c",
            "from upsize.plot import plot_sizes, save\n"
            "from upsize.schedule import Ramp\n"
            "save(plot_sizes(Ramp(final_size=64).plan(total_steps=80)), 'a.png')",
        ]
    ],
    "cli": [
        [
            *("-m", "upsize", "plan", "fastxtend", "--epochs", "20"),
            *("--steps-per-epoch", "147", "--size", "224"),
        ],
        ["-m", "upsize", "--version"],
    ],
}


# Those that bring torch: each is installed alone, and its smallest example run.
LARGE_EXTRAS = {
    "torch": "docs/examples/start_loop.py",
    "lightning": "docs/examples/start_lightning.py",
    "fastai": "docs/examples/start_fastai.py",
    "accelerate": "docs/examples/start_accelerate.py",
    "transformers": "docs/examples/start_transformers.py",
    "ray": "tests/packaging/in_ray.py",
    "jpeg": "tests/packaging/jpeg.py",
    "demo": "tests/packaging/demo.py",
    "all": "tests/packaging/all.py",
}


@nox.session(default=False)
def extras(session: nox.Session) -> None:
    """Install the wheel with each large extra in a fresh environment, and use it.

    Of some only: `nox -s extras -- fastai jpeg`. An environment holds several
    gigabytes, and is deleted before the next one.
    """
    session.install("--group=package")
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"), silent=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    for extra in session.posargs or LARGE_EXTRAS:
        example = str(Path(LARGE_EXTRAS[extra]).resolve())
        _use(session, _room(session, wheel, extra), [example])


@nox.session(venv_backend="none", requires=["everything"])
def bench(session: nox.Session) -> None:
    """Measure; prints figures and never gates."""
    session.run(
        _python(session),
        *("-m", "pytest", "tests/benchmarks", "-s", "--benchmark-enable"),
        *session.posargs,
        external=True,
    )


# One system a line: what they need, too, has to be there.
STREAMS = """
import grain
import litdata
import nvidia.dali.plugin.pytorch
import ray.train
import spdl.pipeline
import streaming
"""


@nox.session(default=False)
def streams(session: nox.Session) -> None:
    """Test the streaming systems that the other sessions lack, and run their examples."""
    session.install("-e", ".[torch,ray]", "--group=streams")
    session.install("--no-deps", "mosaicml-streaming>=0.13")
    # A test whose system cannot be imported is skipped: here nothing may be.
    session.run("python", "-c", STREAMS, env={"PYTHONWARNINGS": "ignore"})
    # With `-m` this folder is on the path: processes that the systems start import tests.
    session.run(
        *("python", "-m", "pytest", "tests/core/loading/systems"),
        *("-o", "filterwarnings=default"),
        *session.posargs,
    )
    # Without the settings of the default run, which leaves this adapter out.
    session.run(
        *("python", "-m", "pytest", "tests/adapters/ray"),
        "tests/test_examples.py::test_examples[upsize.ray._sized]",
        *("--cov=adapters/upsize/ray", "--cov-branch", f"--cov-config={os.devnull}"),
        *("--cov-report=term-missing", "--cov-fail-under=100"),
        *session.posargs,
    )


@nox.session(default=False)
def oldest(session: nox.Session) -> None:
    """Test core and adapters on the oldest torch, Lightning and Accelerate we declare."""
    session.install(
        *("-e", ".[demo]", "--group=test"),
        *("lightning==2.4.0", "pytorch-lightning==2.4.0", "accelerate==1.1.0"),
        *("torch==2.7.0", "torchvision==0.22.0"),
        # The newest: what compares the frameworks needs it.
        "fastai",
    )
    # Old frameworks on a newer torch warn of much that is not ours.
    session.run(
        *("pytest", "tests/adapters/accelerate", "tests/adapters/lightning"),
        *("tests/adapters/test_follow.py", "tests/adapters/test_targets.py"),
        *("tests/core/follow", "tests/core/models", "tests/core/resize"),
        *("tests/core/run", "tests/core/test_detection.py", "tests/core/test_loop.py"),
        *("tests/core/test_loop_log.py", "tests/core/test_loop_merge.py"),
        *("-o", "filterwarnings=default"),
        *session.posargs,
        env={"JSONARGPARSE_DEPRECATION_WARNINGS": "off"},
    )


@nox.session(default=False)
def oldest_transformers(session: nox.Session) -> None:
    """Test the adapter for transformers on the oldest versions that we declare."""
    session.install(
        *("-e", ".[demo]", "--group=test"),
        *("transformers==5.0.0", "accelerate==1.3.0"),
    )
    session.run(
        *("pytest", "tests/adapters/transformers", "-o", "filterwarnings=default"),
        *session.posargs,
    )


@nox.session(default=False)
def oldest_fastai(session: nox.Session) -> None:
    """Test the adapter for fastai on the oldest version that we declare."""
    session.install(
        *("-e", ".[torch]", "--group=test", "torchvision", "accelerate"),
        # What it needs; it declares a torch older than ours, and runs on ours.
        *("fastcore<1.8", "fastprogress<1.1", "fastdownload", "pandas", "scipy"),
        *("scikit-learn", "matplotlib", "requests", "spacy<4"),
    )
    session.install("--no-deps", "fastai==2.7.19")
    # What fastai 2.7 does not do of itself: it calls neither a module of torchvision
    # as an item transform nor a `create` whose annotations it does not dispatch on.
    own = "--deselect=tests/adapters/fastai/test_sized.py::TestData::test_"
    session.run(
        *("pytest", "tests/adapters/fastai", "-o", "filterwarnings=default"),
        f"{own}transforms_of_torchvision",
        f"{own}files_are_decoded_at_the_size_that_is_needed",
        *session.posargs,
    )
