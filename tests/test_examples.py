"""Every example of every docstring is executed, by import name.

By import name and not by path: pytest's own --doctest-modules would import
adapters/upsize/lightning as a top-level `lightning`.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from tests.absent import ABSENT

import upsize

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(upsize.__path__, "upsize.")
    if not module.name.endswith("__main__") and module.name not in ABSENT
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0


def test_examples_are_found() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = finder.find(importlib.import_module("upsize.schedule._ramp"))
    assert sum(len(test.examples) for test in tests) >= 2
