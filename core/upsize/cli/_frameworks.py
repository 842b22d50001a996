"""The frameworks that the demo trains with: found, not named here."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

import upsize
from upsize.cli._values import meant
from upsize.schedule._shown import shown

if TYPE_CHECKING:
    from upsize.demo._run import Runner

__all__ = ["check_framework", "frameworks", "runner"]


def frameworks() -> list[str]:
    """Return the packages of upsize that have a module ``_demo``; imports none of them.

    Example:
        >>> "schedule" in frameworks()
        False
    """
    return sorted(
        {
            package.name
            for root in upsize.__path__
            for package in iter_modules([root])
            for module in iter_modules([str(Path(root, package.name))])
            if module.name == "_demo"
        }
    )


def check_framework(name: str) -> None:
    """Refuse a framework that the demo does not know.

    Raises:
        ValueError: For an unknown name; lists those that are allowed.
    """
    if name not in (known := frameworks()):
        raise ValueError(
            f"--with must be one of {', '.join(known)}, not {shown(name)}"
            + meant(name, known)
        )


def runner(name: str | None) -> Runner:
    """Return what trains.

    Args:
        name: A framework; ``None``: a plain loop of PyTorch.

    Raises:
        ImportError: When the framework is missing; names its extra.
    """
    if name is None:
        from upsize.demo._run import train

        return train
    with warnings.catch_warnings():
        # What frameworks and their dependencies say of each other as they are imported.
        warnings.simplefilter("ignore")
        # Says which extra is missing, where one is.
        _ = import_module(f"upsize.{name}").ProgressiveResize
        found: Runner = import_module(f"upsize.{name}._demo").train
    return found
