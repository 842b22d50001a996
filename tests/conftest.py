"""Settings of every test."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

# Small tensors gain nothing from several threads, and on a busy machine torch's threads
# wait for each other: one test of a second has taken minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test fails because the machine is busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


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
