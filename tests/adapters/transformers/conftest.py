"""States of the process that Trainers leave behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState, GradientState, PartialState


@pytest.fixture(autouse=True)
def _own_state() -> Iterator[None]:
    """Accelerate's states are singletons of the process: each test begins afresh."""
    yield
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()
