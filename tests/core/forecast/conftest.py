"""A clock for what measures time."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass by sleeping alone, so that no busy machine changes a ratio."""
    now = [0.0]

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    def tell() -> float:
        now[0] += 1e-6  # what looks at the clock until time is up must come to an end
        return now[0]

    monkeypatch.setattr(time, "sleep", pass_by)
    monkeypatch.setattr(time, "perf_counter", tell)
