"""Settings of every test."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Small tensors gain nothing from several threads, and on a busy machine torch's threads
# wait for each other: one test of a second has taken minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests read what the command prints: it must not depend on where it is printed, and
# Typer takes GitHub for a terminal with colors.
for _name in (
    *("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS", "NO_COLOR", "COLORTERM", "COLUMNS"),
    *("LINES", "TERMINAL_WIDTH", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
):
    os.environ.pop(_name, None)

# No test fails because the machine is busy, or by chance: new examples are what the fuzz
# session looks for.
settings.register_profile(
    "patient",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")

#: Of the numbers that tests draw; with another one, what passes by chance is found.
SEED = int(os.environ.get("UPSIZE_TEST_SEED", "0"))


@cache
def _generators() -> list[Callable[[int], object]]:
    """Import what draws numbers, where it is installed: a test may be the first to."""
    found: list[Callable[[int], object]] = [random.seed]
    with suppress(ImportError):
        found.append(import_module("numpy").random.seed)
    with suppress(ImportError):
        found.append(import_module("torch").manual_seed)
    return found


def _seed() -> None:
    for seed in _generators():
        seed(SEED)


def pytest_collectstart() -> None:
    """Draw the same numbers in a module, whatever was imported before it."""
    _seed()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Draw the same numbers in a test, whatever ran before it."""
    _seed()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Let no collection of garbage walk through what stays to the end.

    The frameworks and all tests are a million objects, and a Trainer of transformers
    collects at the end of each training: that was most of the time of its tests. Garbage
    that a test makes is found as before, and workers that it forks share more memory.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
