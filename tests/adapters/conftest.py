"""Settings of the tests of all adapters."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _own_state() -> Iterator[None]:
    """Accelerate's states are singletons of the process: each test begins afresh."""
    yield
    states: Any = sys.modules.get("accelerate.state")
    if states is not None:
        for state in (
            states.AcceleratorState,
            states.GradientState,
            states.PartialState,
        ):
            state._reset_state()
