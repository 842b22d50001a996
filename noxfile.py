"""Every check of the project: `nox` runs those that gate, in this order."""

from __future__ import annotations

import shutil
import sys
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
        "-e",
        ".[demo,fastai,lightning,accelerate]",
        *(f"--group={group}" for group in groups),
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and style."""
    session.install("--group=lint")
    session.run("ruff", "format", "--check", *SOURCES)
    session.run("ruff", "check", *SOURCES)


@nox.session(python=PYTHONS)
def core(session: nox.Session) -> None:
    """Test the scheduler where there is neither torch nor NumPy."""
    session.install("-e", ".", "--group=core")
    session.run("pytest", "tests/core/schedule", "-p", "no:cacheprovider")


@nox.session(venv_backend="none", requires=["everything"])
def types(session: nox.Session) -> None:
    """Check types with mypy --strict and with pyright."""
    python = _python(session)
    session.run(python, "-m", "mypy", external=True)
    session.run(python, "-m", "pyright", "--pythonpath", python, external=True)


@nox.session(venv_backend="none", requires=["everything"])
def tests(session: nox.Session) -> None:
    """Run every test against the real frameworks; all lines and branches covered."""
    session.run(
        _python(session),
        *("-m", "pytest", "--ignore=tests/benchmarks", "--durations=10"),
        *("--cov", "--cov-report=term", "--cov-fail-under=100"),
        *session.posargs,
        external=True,
    )


@nox.session(venv_backend="none", requires=["everything"])
def docs(session: nox.Session) -> None:
    """Build the documentation; its examples are executed, warnings are errors."""
    shutil.rmtree("docs/_build", ignore_errors=True)
    session.run(
        _python(session),
        *("-m", "sphinx", "-W", "--keep-going", "-b", "html", "docs"),
        "docs/_build/html",
        external=True,
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
    if size > 200_000:
        session.error("the wheel is larger than 200 kB")
    session.install("--force-reinstall", str(wheel))
    with session.chdir(folder):
        session.run("python", "-P", "-c", SMOKE)
        # Without its extra the command says how to get it, and fails.
        session.run("upsize", success_codes=[1])


SMOKE = """
import sys
from importlib.metadata import version
from upsize.schedule import Ramp

plan = Ramp(final_size=224, increase_by=56).plan(epochs=20, steps_per_epoch=147)
assert [size.height for size in plan.sizes] == [112, 168, 224]
assert not {"torch", "numpy"} & set(sys.modules)
print("upsize", version("upsize"), "from", sys.modules["upsize.schedule"].__file__)
"""


@nox.session(venv_backend="none", requires=["everything"])
def bench(session: nox.Session) -> None:
    """Measure; prints figures and never gates."""
    session.run(
        _python(session),
        *("-m", "pytest", "tests/benchmarks", "-s", "--benchmark-enable"),
        *session.posargs,
        external=True,
    )


@nox.session(default=False)
def oldest(session: nox.Session) -> None:
    """Test the adapters on the oldest versions of their frameworks that we declare."""
    session.install(
        *("-e", ".[demo]", "--group=test"),
        *("lightning==2.4.0", "pytorch-lightning==2.4.0", "accelerate==1.0.0"),
    )
    # Old frameworks on a newer torch warn of much that is not ours.
    session.run(
        *(
            "pytest",
            "tests/adapters",
            "--ignore=tests/adapters/fastai",
            "--ignore=tests/adapters/test_equal.py",
            "-o",
            "filterwarnings=default",
        ),
        *session.posargs,
        env={"JSONARGPARSE_DEPRECATION_WARNINGS": "off"},
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
    session.run(
        *("pytest", "tests/adapters/fastai", "-o", "filterwarnings=default"),
        *session.posargs,
    )
