"""What the user names as FILE.py:NAME or MODULE:NAME, and the schedules among it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from upsize.cli._errors import naming
from upsize.cli._paths import check_file
from upsize.schedule import Schedule, load
from upsize.schedule._shown import shown

__all__ = ["call", "find_named", "is_named", "load_schedule"]


def is_named(text: str) -> bool:
    """Return whether a text is FILE.py:NAME or MODULE:NAME, and not a path.

    Example:
        >>> is_named("train:Mine"), is_named("train.py:Mine"), is_named("C:/a.yaml")
        (True, True, False)
    """
    where, _, name = text.rpartition(":")
    return bool(where) and name.isidentifier()


def find_named(target: str, what: str, option: str) -> Any:
    """Import a module or run a file, and return what it has under a name.

    Args:
        target: FILE.py:NAME or MODULE:NAME.
        what: What it should be, for the error.
        option: The option or argument that names it, for the error.

    Raises:
        OSError: When there is no such file.
        ModuleNotFoundError: When there is no such module.
        ValueError: When there is no such name.
    """
    where, _, name = target.rpartition(":")
    if where.endswith(".py"):
        check_file(Path(where), option)
        # What stands beside the file is imported as when it is run.
        sys.path.insert(0, str(Path(where).resolve().parent))
        module = _run(where)
    else:
        module = _import(where, option)
    found = getattr(module, name, None)
    if not callable(found) and not isinstance(found, Schedule):
        raise ValueError(  # noqa: TRY004 - of what the user named
            f"{option} {where} has no {what} {shown(name)}"
        )
    return found


def call(function: Callable[..., Any], source: str) -> Any:
    """Call what the user named, without arguments.

    Args:
        function: A function or a class.
        source: What the user wrote, for the error.

    Raises:
        ValueError: When it needs arguments.
    """
    try:
        signature(function).bind()
    except TypeError as error:
        raise ValueError(
            f"{source} is called without arguments, and it needs some ({error}): name a "
            "function without parameters, which calls it"
        ) from error
    return function()


def load_schedule(source: str, option: str = "--schedule") -> Schedule:
    """Return the schedule of a file, or one of the user's own.

    Args:
        source: A .json, .yaml or .toml file, or FILE.py:NAME or MODULE:NAME of a
            schedule, of its class, or of a function that returns one.
        option: The option that names it, for the error.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it does not hold a schedule.
    """
    if not is_named(source):
        check_file(Path(source), option)
        with naming(option, Path(source)):
            return load(source)
    found = find_named(source, "schedule", option)
    made = found if isinstance(found, Schedule) else call(found, f"{option} {source}")
    if not isinstance(made, Schedule):
        raise ValueError(  # noqa: TRY004 - of what the user named
            f"{option} {source} must be a schedule, its class or a function that returns "
            f"one, not a {type(made).__name__}"
        )
    return made


def _run(path: str) -> ModuleType:
    """Run a file as a module, which the annotations of its classes are looked up in."""
    spec = spec_from_file_location(f"upsize_{Path(path).stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _import(name: str, option: str) -> ModuleType:
    """Import the user's module, from the current folder as well."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{option} must name a module of Python, not {shown(name)}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ModuleNotFoundError(
            f"{option} {name}: there is no such module"
        ) from error
