"""Settings of every test."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

# Small tensors gain nothing from several threads, and on a busy machine torch's threads
# wait for each other: one test of a second has taken minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test fails because the machine is busy, or by chance: new examples are what the fuzz
# session looks for.
settings.register_profile("patient", deadline=None, derandomize=True)
settings.load_profile("patient")

#: Of the numbers that tests draw; with another one, what passes by chance is found.
SEED = int(os.environ.get("UPSIZE_TEST_SEED", "0"))


def _seed() -> None:
    random.seed(SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


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
